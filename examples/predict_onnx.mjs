// Predict two customers with an exported model (onnxruntime-node, 1.21 or later).
//
//   npm install --ignore-scripts onnxruntime-node   (whose script fetches CUDA on Linux, which is not needed here)
//   node examples/predict_onnx.mjs model.onnx '{"age": [42, null], "city": ["Berlin", null], "since": ["2024-03-01", null]}'
import { createRequire } from "node:module";

// Found where it was installed: in the folder from which this is run.
const ort = createRequire(`${process.cwd()}/`)("onnxruntime-node");
const [path, json] = process.argv.slice(2);
const columns = JSON.parse(json);
const session = await ort.InferenceSession.create(path);

const MISSING_TIME = -(2n ** 63n);
// JavaScript takes a time of day without a zone for one of the machine's own zone.
const utc = (text) => (/:.*(Z|[+-]\d\d:?\d\d)$/.test(text) || !text.includes(":") ? text : `${text}Z`);
const readers = {
  // numbers, and booleans as 0 and 1
  float64: (values) => Float64Array.from(values, (v) => (v === null ? NaN : Number(v))),
  // categories; whatever is neither a level nor missing is unknown
  string: (values) => values.map((v) => (v === null ? "" : String(v))),
  // microseconds since 1970, UTC
  int64: (values) =>
    BigInt64Array.from(values, (v) => (v === null ? MISSING_TIME : BigInt(Date.parse(utc(v))) * 1000n)),
};
const feeds = {};
for (const { name, type } of session.inputMetadata) {
  const values = columns[name];
  feeds[name] = new ort.Tensor(type, readers[type](values), [values.length, 1]);
}
const outputs = await session.run(feeds);
for (const name of session.outputNames) {
  console.log(name, outputs[name].dims, Array.from(outputs[name].data).join(" "));
}
