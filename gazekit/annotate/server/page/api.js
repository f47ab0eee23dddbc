/** Requests to the server that gave the page. Nothing here knows what the answers mean. */

/** The server did not answer: not running, or the network is down. Worth trying again. */
export class Unreachable extends Error {}

/** The server answered with an error. */
export class Refused extends Error {
  /**
   * @param {number} status
   * @param {any} body
   */
  constructor(status, body) {
    const detail = body?.error ?? body?.detail;
    super(typeof detail === "string" ? detail : `the server answered ${status}`);
    this.status = status;
    this.body = body;
  }
}

/**
 * @template T
 * @param {string} path
 * @param {RequestInit} options
 * @param {(response: Response) => Promise<T>} read takes what is wanted from an answer that is not an error
 */
async function answered(path, options, read) {
  try {
    const response = await fetch(path, options);
    if (response.ok) return await read(response);
    if ([502, 503, 504].includes(response.status)) throw new Unreachable(`the server answered ${response.status}`);
    throw new Refused(response.status, await response.json().catch(() => ({})));
  } catch (error) {
    if (error instanceof Refused || error instanceof Unreachable) throw error;
    throw new Unreachable(error instanceof Error ? error.message : String(error));
  }
}

/**
 * @param {string} method
 * @param {string} path
 * @param {BodyInit | object} [body] a plain object is sent as JSON
 * @param {number} [timeoutMs]
 * @returns {Promise<any>}
 */
export async function call(method, path, body, timeoutMs = 30000) {
  const raw = body === undefined || body instanceof Blob;
  return answered(path, {
    method,
    headers: raw ? {} : { "Content-Type": "application/json" },
    body: raw ? body : JSON.stringify(body),
    signal: AbortSignal.timeout(timeoutMs),
  }, (response) => response.json());
}

/** Puts what the server makes among the user's downloads. @param {string} path @returns {Promise<string>} the file's name */
export async function download(path) {
  const { blob, name } = await answered(path, {}, async (response) => ({ blob: await response.blob(), name: fileName(response) }));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  return name;
}

/** @param {Response} response */
function fileName(response) {
  const told = response.headers.get("content-disposition") ?? "";
  const [, coded, plain] = told.match(/filename\*=utf-8''([^;]+)|filename="([^"]+)"/i) ?? [];
  return coded ? decodeURIComponent(coded) : plain ?? "export";
}

/** @param {string} path @returns {Promise<any>} */
export const get = (path) => call("GET", path);

/** @param {string} path @param {object} body @returns {Promise<any>} */
export const post = (path, body) => call("POST", path, body);

/** Address of a frame's picture. @param {number} frame @param {number} width */
export const frameUrl = (frame, width) => `/api/frames/${frame}.jpg?width=${width}`;
