export const layerNames = ['process', 'paginate', 'execute'] as const
export type LayerName = (typeof layerNames)[number]

/** How QStash delivers a layer's runs. */
export type LayerSettings = {
  /** Further deliveries after a failed one. */
  retries: number
  /** Milliseconds, as a QStash expression over `retried`. */
  retryDelay: string
  /** Deliveries at once, and deliveries started a second. */
  flowControl: { parallelism: number; rate: number }
}

const retrying = { retries: 3, retryDelay: '10000 * pow(3, retried)' }

/** What a definition leaves out. */
export const defaultLayers: Record<LayerName, LayerSettings> = {
  process: { ...retrying, flowControl: { parallelism: 1, rate: 1 } },
  paginate: { ...retrying, flowControl: { parallelism: 20, rate: 5 } },
  execute: { ...retrying, flowControl: { parallelism: 10, rate: 5 } },
}
