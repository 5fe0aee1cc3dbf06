/**
 * What a workflow's author writes and what they are given. No Hono and no Upstash in this folder: how an item is
 * made to last is the engine's business.
 */
import type { SQL } from 'drizzle-orm'
import type ms from 'ms'
import { z } from 'zod'
import type { Db } from '../db/client.ts'
import type { Json } from '../db/json.ts'

import { defaultLayers, type LayerName, type LayerSettings } from './layer-settings.ts'

export type { Json } from '../db/json.ts'
export { layerNames, type LayerName } from './layer-settings.ts'

/** Stored with the batch and read by every layer, so they are JSON. */
export type Params = { [name: string]: Json | undefined }

/** For example `30 days`, `60 seconds`. */
export type Duration = ms.StringValue

/**
 * A drizzle query that selects exactly `{ id, version }`, in this order, of every eligible row. It is composed into
 * the engine's own statements and never run by itself. Ids may be of any type that Postgres can order; `version` is
 * a text that changes when the input of `work` does.
 */
export type Population = {
  getSQL(): SQL
  _: { readonly selectedFields: { id: unknown; version: unknown } }
}

export type Usage = { inputTokens: number; outputTokens: number }

/** A stored result with what is known of its making. Times are ISO 8601. */
export type Result<Data> = {
  version: string
  data: Data
  model: string | null
  usage: Usage
  generatedAt: string
  /** Null: fresh for as long as the version holds. */
  expiresAt: string | null
}

/** A language model. What it uses is added up by the engine and stored with the item's result. */
export type Ai = {
  /**
   * Asks for an object of the given shape.
   *
   * @throws PermanentError when the model refuses the request itself; any other error is worth another try, also
   * output that does not fit the shape.
   */
  object<Schema extends z.ZodType>(request: {
    schema: Schema
    instructions: string
    prompt: string
    maxOutputTokens?: number
  }): Promise<z.output<Schema>>
}

/** Where readers look first. Losing it loses nothing. */
export type Cache = {
  get(key: string): Promise<unknown>
  /** @param ttlSeconds null keeps the entry until it is overwritten. */
  set(key: string, value: Json, ttlSeconds: number | null): Promise<void>
}

/** What `work` returns for an item that turns out to need nothing. */
export class Skip {
  readonly reason: string
  constructor(reason: string) {
    this.reason = reason
  }
}
export const skip = (reason: string) => new Skip(reason)

export type WorkTools<P> = {
  db: Db
  ai: Ai
  params: P
  /** Aborts when the item's `timeout` is over; pass it on to what takes long. */
  signal: AbortSignal
}

/** The cache, and the scope that a result belongs to. */
export type CacheTools = { cache: Cache; scope: string }

/** Serves an item's result over HTTP: the owner's own text, else the generated one, else `empty`. */
export type Reader<Data> = {
  /** Has one path parameter, the item's id: `/api/agents/:agentId/welcome`. */
  path: string
  empty: Data
  /** The owner's own text (null: there is none), or undefined when no such item exists. */
  own(tools: { db: Db }, id: string): Promise<Data | null | undefined>
  /** The cached result, or null on a miss or a broken entry. */
  cached(tools: CacheTools, id: string): Promise<Result<Data> | null>
}

type Definition<P, Data extends Json> = {
  /** Kebab-case; also the folder's name. */
  name: string
  /** Gives the routes and payload names: agent, agents → paginate-agents, agentId. */
  entity: { one: string; many: string }
  /** An object; a field it does not name is refused, so that a misspelt one does not start a batch over everyone. */
  params: z.ZodType<P> & { strict(): z.ZodType<P> }
  population(tools: { db: Db; params: P }): Population
  /** Shape of what `work` returns; what is read back from the database or the cache is parsed with it. */
  data: z.ZodType<Data>
  /** The paid part, for one item. */
  work(tools: WorkTools<P>, id: string): Promise<Data | Skip>
  /** Serves the results over HTTP. */
  read?: Reader<Data>
}

type Options<P, Data extends Json> = {
  /** Names layer 3: `generate` gives generate-agent. */
  verb: string
  /** Cron expression in UTC, listed in wrangler.jsonc as well. Null: started by hand only. */
  schedule: string | null
  /** How long a result stays fresh while its version holds. Null: for ever. */
  freshFor: Duration | null
  /** Bound on one item's work, and the length of its lease. */
  timeout: Duration
  /** Keeps the results of different params apart (a campaign, a month). */
  scope(params: P): string
  /** Puts a stored result where readers look. Idempotent: it may run again. */
  publish(tools: CacheTools, id: string, result: Result<Data>): Promise<void>
  /** Population rows read at once, 1 to 100. */
  pageSize: number
  /** Items that one layer-2 run triggers, 1 to 100. */
  chunkSize: number
  /** Most items queued or running at any time. */
  maxOutstanding: number
}

type LayerOptions = { [Layer in LayerName]?: Partial<LayerSettings> }

/** A definition with every default filled in: what the engine works with. */
export type Workflow<P = Params, Data extends Json = Json> = Omit<Definition<P, Data>, 'params'> &
  Options<P, Data> & { params: z.ZodType<P>; layers: Record<LayerName, LayerSettings> }

const size = z.int().min(1).max(100)
const wellFormed = z.object({
  name: z.string().regex(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/, 'is not kebab-case'),
  entity: z.object({ one: z.string().regex(/^[a-z]+$/i), many: z.string().regex(/^[a-z]+$/i) }),
  verb: z.string().regex(/^[a-z]+$/),
  pageSize: size,
  chunkSize: size,
  maxOutstanding: z.int().min(1),
})

/**
 * Checks a definition and fills in the defaults: layer 3 is called `execute`, results stay fresh until their version
 * changes, work may take 60 seconds, pages of 50, chunks of 20, at most 1,000 items outstanding.
 *
 * @throws ZodError that names the field which is not well formed.
 * @throws TypeError when a param has no default though a schedule or readers give none.
 */
export function defineWorkflow<P extends Params, Data extends Json>(
  definition: Definition<P, Data> & Partial<Options<P, Data>> & { layers?: LayerOptions },
): Workflow<P, Data> {
  const { layers, ...rest } = definition
  const workflow: Workflow<P, Data> = {
    verb: 'execute',
    schedule: null,
    freshFor: null,
    timeout: '60 seconds',
    scope: () => '',
    publish: () => Promise.resolve(),
    pageSize: 50,
    chunkSize: 20,
    maxOutstanding: 1000,
    ...rest,
    params: rest.params.strict(),
    layers: {
      process: { ...defaultLayers.process, ...layers?.process },
      paginate: { ...defaultLayers.paginate, ...layers?.paginate },
      execute: { ...defaultLayers.execute, ...layers?.execute },
    },
  }
  wellFormed.parse(workflow)
  const startsWithoutParams = workflow.schedule !== null || workflow.read !== undefined
  if (startsWithoutParams && !workflow.params.safeParse({}).success) {
    throw new TypeError(`${workflow.name} has a schedule or readers, so every param needs a default`)
  }
  return workflow
}
