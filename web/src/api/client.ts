/** The one way to the server: JSON in, JSON out, errors with their request id. */

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly requestId: string | null,
    /** What else the error says: problems of a rule, the current version after a conflict. */
    readonly details: Record<string, unknown> = {},
  ) {
    super(message);
  }
}

export interface Fetched<T> {
  /** Null when the server said that nothing changed. */
  data: T | null;
  etag: string | null;
}

const TIMEOUT_MS = 30_000;

export type Params = Record<string, string | number | string[] | null | undefined>;

/** Builds a path with a query; empty values are left out, a list stands for a parameter that is repeated. */
export function withParams(path: string, params: Params): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(params)) {
    if (Array.isArray(value)) value.forEach((one) => query.append(key, one));
    else if (value !== null && value !== undefined && value !== '') query.set(key, String(value));
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

export async function fetchJson<T>(path: string, etag: string | null, signal?: AbortSignal): Promise<Fetched<T>> {
  const headers: Record<string, string> = { Accept: 'application/json' };
  if (etag) headers['If-None-Match'] = etag;
  const response = await send(path, { headers, cache: 'no-store' }, signal);
  if (response.status === 304) return { data: null, etag };
  return { data: (await parse(response)) as T, etag: response.headers.get('ETag') };
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await fetchJson<T>(path, null, signal)).data as T;
}

export async function change<T>(method: 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const headers: Record<string, string> = { Accept: 'application/json', 'Content-Type': 'application/json' };
  const response = await send(path, { method, headers, body: body === undefined ? null : JSON.stringify(body) }, signal);
  return (response.status === 204 ? null : await parse(response)) as T;
}

async function send(path: string, init: RequestInit, signal?: AbortSignal): Promise<Response> {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  let response: Response;
  try {
    response = await fetch(path, {
      ...init,
      credentials: 'same-origin',
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    const text = timeout.aborted ? 'The server did not answer within 30 seconds.' : 'The server cannot be reached.';
    throw new ApiError(0, timeout.aborted ? 'timeout' : 'unreachable', text, null);
  }
  if (response.status === 401) signIn();
  if (response.ok || response.status === 304) return response;
  throw await errorOf(response);
}

async function parse(response: Response): Promise<unknown> {
  try {
    return await response.json();
  } catch {
    throw new ApiError(response.status, 'not_json', 'The answer was not JSON.', response.headers.get('X-Request-ID'));
  }
}

async function errorOf(response: Response): Promise<ApiError> {
  const fallback = `The server answered ${response.status}${response.statusText ? ` ${response.statusText}` : ''}.`;
  const headerId = response.headers.get('X-Request-ID');
  try {
    const body = (await response.json()) as { error?: (Record<string, unknown> & { code?: string; message?: string; request_id?: string }) | string };
    // Prometheus' API says {"status": "error", "error": "text"}.
    if (typeof body.error === 'string') return new ApiError(response.status, 'error', body.error, headerId);
    const error = body.error ?? {};
    return new ApiError(response.status, error.code ?? 'error', error.message ?? fallback, error.request_id ?? headerId, error);
  } catch {
    return new ApiError(response.status, 'error', fallback, headerId);
  }
}

let isLeaving = false;

function signIn(): void {
  if (isLeaving) return;
  isLeaving = true;
  location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
}
