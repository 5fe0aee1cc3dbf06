/** The credentials of the SDK's development mode, which it also accepts from a local server. */
const DEV_CREDENTIALS = {
  token: 'eyJVc2VySUQiOiJkZWZhdWx0VXNlciIsIlBhc3N3b3JkIjoiZGVmYXVsdFBhc3N3b3JkIn0=',
  currentSigningKey: 'sig_7kYjw48mhY7kAjqNGcy6cr29RJ6r',
  nextSigningKey: 'sig_5ZB6DVzB1wjE8S6rZ7eenA8Pdnhs',
}

/** What a local QStash can be started with. */
export type QstashOptions = {
  /** TCP port; 0 or absent picks a free one. */
  port?: number
  token?: string
  currentSigningKey?: string
  nextSigningKey?: string
  /** Factor on every delay and period: 0.01 makes 10 s take 100 ms. Default 1. */
  timeScale?: number
  /** 'push' (default) calls destinations over HTTP; 'pull' keeps due deliveries until a test takes them. */
  mode?: 'push' | 'pull'
  /** Receivers live by this server's clock, which tests move on; default false: by the real one. */
  sharedClock?: boolean
  /** How long a run id or deduplication id stays taken: after the run ended, or after the publish. Default 10 min. */
  dedupWindowMs?: number
  /** A step log larger than this is delivered as an empty body. Default 3 MB. */
  lazyFetchBytes?: number
  /** More retries than this are over quota. Default 20. */
  maxRetries?: number
  /** A larger published body is over quota. Default 10 MB. */
  maxMessageBytes?: number
  /** A longer delay is over quota. Default 1 year. */
  maxDelayMs?: number
  /** Deliveries in flight over all flow-control keys. Default 100. */
  parallelism?: number
  /** Longest a delivery may take when its message sets no timeout; not scaled. Default 15 min. */
  deliveryTimeoutMs?: number
  /** Ended runs that stay known. Default 100,000. */
  keptRuns?: number
  /** Memory for the step logs of ended runs, in bytes; failed runs keep theirs. Default 64 MB. */
  keptLogBytes?: number
}

/** The options with their defaults. */
export type Settings = Required<QstashOptions>

const HOUR = 3_600_000

/** Fills in the defaults. */
export function settingsOf(options: QstashOptions): Settings {
  const timeScale = options.timeScale ?? 1
  if (!(timeScale > 0)) throw new RangeError(`timeScale must be above 0, received ${timeScale}`)
  return {
    port: options.port ?? 0,
    token: options.token ?? DEV_CREDENTIALS.token,
    currentSigningKey: options.currentSigningKey ?? DEV_CREDENTIALS.currentSigningKey,
    nextSigningKey: options.nextSigningKey ?? DEV_CREDENTIALS.nextSigningKey,
    timeScale,
    mode: options.mode ?? 'push',
    sharedClock: options.sharedClock ?? false,
    dedupWindowMs: options.dedupWindowMs ?? HOUR / 6,
    lazyFetchBytes: options.lazyFetchBytes ?? 3_000_000,
    maxRetries: options.maxRetries ?? 20,
    maxMessageBytes: options.maxMessageBytes ?? 10_000_000,
    maxDelayMs: options.maxDelayMs ?? 365 * 24 * HOUR,
    parallelism: options.parallelism ?? 100,
    deliveryTimeoutMs: options.deliveryTimeoutMs ?? HOUR / 4,
    keptRuns: options.keptRuns ?? 100_000,
    keptLogBytes: options.keptLogBytes ?? 64_000_000,
  }
}
