/** Requests to the server that gave the page. Nothing here knows what the answers mean. */

/** The server did not answer: not running, or the network is down. Worth trying again. */
export class Unreachable extends Error {}

/** The server answered and said no. */
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
 * @param {string} method
 * @param {string} path
 * @param {BodyInit | object} [body] a plain object is sent as JSON
 * @param {"json" | "arrayBuffer"} [as]
 * @param {number} [timeoutMs]
 * @returns {Promise<any>}
 */
export async function call(method, path, body, as = "json", timeoutMs = 30000) {
  const raw = body === undefined || body instanceof Blob;
  try {
    const response = await fetch(path, {
      method,
      headers: raw ? {} : { "Content-Type": "application/json" },
      body: raw ? body : JSON.stringify(body),
      signal: AbortSignal.timeout(timeoutMs),
    });
    if (response.ok) return await response[as]();
    const reason = await response.json().catch(() => ({}));
    if ([502, 503, 504].includes(response.status)) throw new Unreachable(`the server answered ${response.status}`);
    throw new Refused(response.status, reason);
  } catch (error) {
    if (error instanceof Refused || error instanceof Unreachable) throw error;
    throw new Unreachable(error instanceof Error ? error.message : String(error));
  }
}

/** @param {string} path @returns {Promise<any>} */
export const get = (path) => call("GET", path);

/** @param {string} path @param {object} body @returns {Promise<any>} */
export const post = (path, body) => call("POST", path, body);

/** Address of a frame's picture. @param {number} frame @param {number} width */
export const frameUrl = (frame, width) => `/api/frames/${frame}.jpg?width=${width}`;
