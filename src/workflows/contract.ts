/**
 * What a workflow's author writes and what they are given. No Hono and no Upstash in this folder: how an item is
 * made to last is the engine's business.
 */
import type { SQL } from 'drizzle-orm'
import { z } from 'zod'
import type { Db } from '../db/client.ts'
import type { Json } from '../db/json.ts'

import type { Budget, Canary, Estimate, Tolerate } from './bounds.ts'
import { defaultLayers, type LayerName, type LayerSettings } from './layer-settings.ts'
import type { Duration, Handlers } from './item-tools.ts'
import type { CacheTools, Reader, Result, ServiceName, Skip, WorkTools } from './ports.ts'
import { wellFormed } from './well-formed.ts'

export type { Json } from '../db/json.ts'
export type { Budget, Canary, Tolerate } from './bounds.ts'
export { layerNames, type LayerName } from './layer-settings.ts'
export * from './item-tools.ts'
export * from './ports.ts'

/** Stored with the batch and read by every layer, so they are JSON. */
export type Params = { [name: string]: Json | undefined }

/**
 * A drizzle query that selects exactly `{ id, version }`, in this order, of every eligible row. It is composed into
 * the engine's own statements and never run by itself. Ids may be of any type that Postgres can order; `version` is
 * a text that changes when the input of `work` does.
 */
export type Population = {
  getSQL(): SQL
  _: { readonly selectedFields: { id: unknown; version: unknown } }
}

type Definition<P, Data extends Json> = {
  /** Kebab-case; also the folder's name. */
  name: string
  /** Gives the routes and payload names: agent, agents → paginate-agents, agentId. */
  entity: { one: string; many: string }
  /** An object; a field it does not name is refused, so that a misspelt one does not start a batch over everyone. */
  params: z.ZodType<P> & { strict(): z.ZodType<P> }
  population(tools: { db: Db; params: P }): Population
  /** Shape of what `work` or `run` returns; what is read back from the database or the cache is parsed with it. */
  data: z.ZodType<Data>
  /** Serves the results over HTTP. */
  read?: Reader<Data>
}

/** The paid part, for one item: in one step, or as a durable handler of many. */
type Work<P, Data extends Json> =
  | { work(tools: WorkTools<P>, id: string): Promise<Data | Skip>; run?: null }
  | { run: Handlers<P, Data>; work?: never; replaySafe: boolean }

type Options<P, Data extends Json> = {
  /** Names layer 3: `generate` gives generate-agent. */
  verb: string
  /** Cron expression in UTC, listed in wrangler.jsonc as well. Null: started by hand only. */
  schedule: string | null
  /**
   * How long a result stays fresh while its version holds. Null: for ever. `0 seconds`: whatever is in the population needs
   * work, also what was done before.
   */
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
  /** Most items queued or running at any time, 1 to 10,000; items that wait do not count. */
  maxOutstanding: number
  /** What one item is thought to use; the budget reserves it until an item has used more. */
  estimate: Estimate | null
  /** Bounds of a batch whose start names none, so also of one that cron starts. */
  budget: Budget | null
  tolerate: Tolerate | null
  canary: Canary | null
  /** A tick that finds an active batch is skipped, or opens one batch that waits for its end. */
  overlap: 'skip' | 'queue'
  /**
   * `ended`: a batch completes when its last item has ended. `started`: when none is queued or running any more; the next
   * batch may come while items of this one still wait.
   */
  completion: 'ended' | 'started'
  /** What its steps use; it does not start where that is not configured. */
  uses: readonly ServiceName[]
  /**
   * Events that may be given over the API, by name: any other, and what does not fit, is refused before an item hears of it.
   * Null: any may.
   */
  events: Readonly<Record<string, z.ZodType<Json>>> | null
  /**
   * Doing an item once more costs no more than money: nobody gets a second mail or charge. Where it does, what has used mail or
   * payments, an unsafe call or a step that `acts`, and did not succeed, is left alone by later batches.
   */
  replaySafe: boolean
}

type LayerOptions = { [Layer in LayerName]?: Partial<LayerSettings> }

/** A definition with every default filled in: what the engine works with. */
export type Workflow<P = Params, Data extends Json = Json> = Omit<Definition<P, Data>, 'params'> &
  Options<P, Data> & {
    params: z.ZodType<P>
    layers: Record<LayerName, LayerSettings>
    /** Refuses, when there are handlers. */
    work(tools: WorkTools<P>, id: string): Promise<Data | Skip>
    /** Null: the work is one step. */
    run: Handlers<P, Data> | null
  }

/** The version that new items are handled by; null: the workflow is not durable. */
export const currentHandler = ({ run }: Pick<Workflow, 'run'>): number | null =>
  run === null ? null : Math.max(...Object.keys(run).map(Number))

/**
 * Checks a definition and fills in the defaults: layer 3 is called `execute`, results stay fresh until their version
 * changes, work may take 60 seconds, pages of 50, chunks of 20, at most 1,000 items outstanding, no other bounds.
 *
 * @throws TypeError that names the workflow and what is wrong with it: a field that is not well formed, or a param without
 * a default though a schedule or readers give none.
 */
export function defineWorkflow<P extends Params, Data extends Json>(
  definition: Definition<P, Data> & Work<P, Data> & Partial<Options<P, Data>> & { layers?: LayerOptions },
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
    estimate: null,
    budget: null,
    tolerate: null,
    canary: null,
    overlap: 'skip',
    completion: 'ended',
    uses: [],
    events: null,
    replaySafe: true,
    work: () => Promise.reject(new TypeError(`${rest.name} is durable: its work is no single step`)),
    run: null,
    ...rest,
    params: rest.params.strict(),
    layers: {
      process: { ...defaultLayers.process, ...layers?.process },
      paginate: { ...defaultLayers.paginate, ...layers?.paginate },
      execute: { ...defaultLayers.execute, ...layers?.execute },
    },
  }
  const checked = wellFormed.safeParse(workflow)
  if (!checked.success) throw new TypeError(`workflow ${rest.name}: ${z.prettifyError(checked.error)}`)
  if (rest.run != null && 'work' in rest) throw new TypeError(`${rest.name} has both a work and a run`)
  const startsWithoutParams = workflow.schedule !== null || workflow.read !== undefined
  if (startsWithoutParams && !workflow.params.safeParse({}).success) {
    throw new TypeError(`${workflow.name} has a schedule or readers, so every param needs a default`)
  }
  return workflow
}
