// Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
// ONNX graphs in onnxruntime: on WebGPU where there is one, on the CPU as WebAssembly otherwise.

const VENDORED = new URL("./vendored/onnxruntime-web/", import.meta.url).href;

const loaded = new Map();

/** onnxruntime, "webgpu" or "wasm": one knows WebGPU, and the other more of the CPU. Several threads need a page that is isolated from others. */
async function loadRuntime(build) {
  if (!loaded.has(build)) {
    const ort = await import(`${VENDORED}ort.${build}.min.mjs`);
    ort.env.wasm.wasmPaths = VENDORED;
    ort.env.wasm.numThreads = numThreads();
    loaded.set(build, ort);
  }
  return loaded.get(build);
}

/** Of the CPU. The headers COOP and COEP make a page isolated. */
export function numThreads() {
  return self.crossOriginIsolated ? Math.min(8, Math.max(2, navigator.hardwareConcurrency >> 1)) : 1;
}

/** What the browser computes on, "webgpu" or "wasm". */
export async function findDevice(wanted) {
  if (wanted === "wasm" || !navigator.gpu) return "wasm";
  try {
    return (await navigator.gpu.requestAdapter()) ? "webgpu" : "wasm";
  } catch {
    return "wasm";
  }
}

const ARRAYS = { float32: Float32Array, int64: BigInt64Array, uint8: Uint8Array, float16: globalThis.Float16Array ?? Uint16Array };

/** onnxruntime and a session of it. */
async function openSession(build, bytes, options, fetchExternal) {
  const ort = await loadRuntime(build);
  // Warnings of the runtime tell a visitor nothing.
  const all = { ...options, graphOptimizationLevel: "all", logSeverityLevel: 3 };
  try {
    return [ort, await ort.InferenceSession.create(bytes, all)];
  } catch (error) {
    // Weights above 2 GB are in a file of their own, which nobody but the graph knows of.
    const path = /([\w.-]+\.onnx_data\w*)/.exec(error.message ?? "")?.[1];
    if (!path || !fetchExternal) throw error;
    const externalData = [{ path, data: await fetchExternal(path) }];
    return [ort, await ort.InferenceSession.create(bytes, { ...all, externalData })];
  }
}

/** A graph with its inputs by name. Tensors that it gives belong to the caller, who disposes them. */
export class Graph {
  /** On `device`, or else on the CPU; `reason` says then why. Outputs `keptOnDevice` are not copied to the CPU. */
  static async create(device, bytes, { keptOnDevice = [], fetchExternal } = {}) {
    const onCpu = { executionProviders: ["wasm"] };
    const preferredOutputLocation = Object.fromEntries(keptOnDevice.map((name) => [name, "gpu-buffer"]));
    const onGpu = { executionProviders: ["webgpu", "wasm"], preferredOutputLocation };
    let reason = "";
    if (device === "webgpu") {
      try {
        return new Graph(...(await openSession("webgpu", bytes, onGpu, fetchExternal)), device, reason);
      } catch (error) {
        reason = error.message;
      }
    }
    return new Graph(...(await openSession("wasm", bytes, onCpu, fetchExternal)), "wasm", reason);
  }

  constructor(ort, session, device, reason) {
    this.ort = ort;
    this.session = session;
    this.device = device;
    this.reason = reason;
    this.inputs = new Map(session.inputMetadata.map((input) => [input.name, input]));
  }

  /** A tensor for the input `name`, of the type that it has. */
  tensor(name, data, dims) {
    const { type } = this.inputs.get(name);
    const ArrayType = ARRAYS[type];
    if (!ArrayType) throw new Error(`The graph wants ${type} as ${name}, which this page cannot make.`);
    if (data instanceof ArrayType) return new this.ort.Tensor(type, data, dims);
    const values = type === "int64" ? BigInt64Array.from(data, BigInt) : ArrayType.from(data);
    return new this.ort.Tensor(type, values, dims);
  }

  run(feeds) {
    return this.session.run(feeds);
  }
}

/** The values of a tensor as float32, also where the graph computes in 16 bits. */
export function asFloats(tensor) {
  if (tensor.type !== "float16" || !(tensor.data instanceof Uint16Array)) return Float32Array.from(tensor.data);
  return Float32Array.from(tensor.data, (bits) => {
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    const size = exponent === 0 ? fraction * 2 ** -24 : exponent === 31 ? (fraction ? NaN : Infinity) : (1 + fraction / 1024) * 2 ** (exponent - 15);
    return bits >> 15 ? -size : size;
  });
}
