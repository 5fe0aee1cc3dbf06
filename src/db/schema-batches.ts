import { sql } from 'drizzle-orm'
import {
  bigint,
  boolean,
  doublePrecision,
  index,
  integer,
  jsonb,
  pgTable,
  text,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core'
import { at } from './columns.ts'
import type { Json } from './json.ts'

export const batchStatuses = [
  'queued',
  'starting',
  'running',
  'paused',
  'completed',
  'cancelled',
  'failed',
  'skipped',
] as const

export const completions = ['ended', 'started'] as const

/** Who or what closed a batch's gate. */
export const pausers = ['operator', 'kill_switch', 'budget', 'breaker', 'canary', 'lost_run'] as const

type Budget = { tokens?: number | undefined; usd?: number | undefined }
type Tolerate = { percent?: number | undefined; count?: number | undefined; window: number }
type Canary = { items?: number | undefined; percent?: number | undefined; minSuccessRate: number }

/** Per item, from where; and prices, limits and sizes. Dollars are for a million tokens. */
export type Assumptions = {
  source: 'recent_batches' | 'definition' | 'unknown'
  inputTokens: number | null
  outputTokens: number | null
  seconds: number | null
  inputUsdPerMillion: number | null
  outputUsdPerMillion: number | null
  messagesPerUsd: number
  messagesPerRun: number
  retries: number
  parallelism: number
  rate: number
  pageSize: number
  chunkSize: number
}

const many = (name: string) => bigint(name, { mode: 'number' }).notNull().default(0)

/** What a dry run found: nothing is done for anyone by making one. */
export const plans = pgTable(
  'plans',
  {
    id: uuid('id').primaryKey(),
    /** Makes planning repeatable: the same key gives the same plan. */
    key: text('key').notNull().unique(),
    workflow: text('workflow').notNull(),
    params: jsonb('params').$type<{ [name: string]: Json | undefined }>().notNull(),
    force: boolean('force').notNull(),
    limit: integer('item_limit'),
    totalEligible: integer('total_eligible').notNull(),
    alreadyProcessed: integer('already_processed').notNull(),
    /** Needs work, but an earlier batch holds it unfinished. */
    held: integer('held').notNull(),
    toProcess: integer('to_process').notNull(),
    sample: jsonb('sample').$type<string[]>().notNull(),
    /** The same for the same options over the same items to process. */
    hash: text('hash').notNull(),
    /** What the estimates are made of. */
    assumptions: jsonb('assumptions').$type<Assumptions>().notNull(),
    createdAt: at('created_at').notNull().defaultNow(),
  },
  (t) => [index('plans_workflow').on(t.workflow, t.id)],
)

/** One pass of a workflow over its population. The counters move in the statements that move the items. */
export const batches = pgTable(
  'batches',
  {
    /** UUIDv7: ids sort by time. */
    id: uuid('id').primaryKey(),
    workflow: text('workflow').notNull(),
    scope: text('scope').notNull(),
    status: text('status', { enum: batchStatuses }).notNull(),
    /** Why it is paused or failed. */
    reason: text('reason'),
    pausedBy: text('paused_by', { enum: pausers }),
    startKey: text('start_key').notNull().unique(),
    startedBy: text('started_by', { enum: ['api', 'cron', 'message'] }).notNull(),
    params: jsonb('params').$type<{ [name: string]: Json | undefined }>().notNull(),
    force: boolean('force').notNull(),
    limit: integer('item_limit'),
    /** What the start asked for, as it asked. */
    options: jsonb('options').$type<Json>().notNull().default({}),
    /** Most items queued or running. */
    maxOutstanding: integer('max_outstanding').notNull(),
    /** Deliveries of layer 3 at once, and deliveries of it that start a second; pinned at QStash. */
    parallelism: integer('parallelism').notNull(),
    rate: integer('rate').notNull(),
    /** The rate while the model asks for less. */
    throttledRate: integer('throttled_rate'),
    throttledAt: at('throttled_at'),
    budget: jsonb('budget').$type<Budget>(),
    tolerate: jsonb('tolerate').$type<Tolerate>(),
    canary: jsonb('canary').$type<Canary>(),
    /** Items of the canary, from the plan; the verdict is null without one. */
    canaryItems: integer('canary_items'),
    canaryVerdict: text('canary_verdict', { enum: ['pending', 'passed', 'failed', 'overruled'] }),
    /** Dollars for a million tokens, as configured when the batch was opened. */
    inputUsdPerMillion: doublePrecision('input_usd_per_million'),
    outputUsdPerMillion: doublePrecision('output_usd_per_million'),
    /** What the batch was started from, when the start named one. */
    startPlanId: uuid('start_plan_id').references(() => plans.id),
    /** Results of this sample are published instead of made again. */
    sampleId: uuid('sample_id'),
    planId: uuid('plan_id').references(() => plans.id),
    /** Raised whenever a page must be triggered again; part of the run ids of layer 2. */
    attempt: integer('attempt').notNull().default(1),
    /** How many pages are recorded; the next one has this number plus one. */
    pages: integer('pages').notNull().default(0),
    /** The population has been read to its end, or `limit` is reached. */
    exhausted: boolean('exhausted').notNull().default(false),
    /** It completes when its last item has ended, or when none is queued or running any more. */
    completion: text('completion', { enum: completions }).notNull().default('ended'),
    /** The next page waits until fewer items are outstanding; the save that makes room triggers it. */
    awaitingRoom: boolean('awaiting_room').notNull().default(false),
    recorded: integer('recorded').notNull().default(0),
    running: integer('running').notNull().default(0),
    /** Started items that nothing is done for until a time or an event comes. */
    waiting: integer('waiting').notNull().default(0),
    succeeded: integer('succeeded').notNull().default(0),
    /** Of the succeeded: those whose result a sample had made. */
    prepared: integer('prepared').notNull().default(0),
    skipped: integer('skipped').notNull().default(0),
    failed: integer('failed').notNull().default(0),
    cancelled: integer('cancelled').notNull().default(0),
    /** Failed items that wait for a page of their own to be tried again. */
    retrying: integer('retrying').notNull().default(0),
    /** Deliveries that found their item ended, taken or superseded. */
    duplicates: integer('duplicates').notNull().default(0),
    inputTokens: many('input_tokens'),
    outputTokens: many('output_tokens'),
    /** Milliseconds of work of every try. */
    workMs: many('work_ms'),
    /** The most that one try has used, at first the definition's estimate: what the budget reserves for an item. */
    itemTokens: integer('item_tokens').notNull(),
    itemUsd: doublePrecision('item_usd').notNull(),
    /** The last tries, newest last: fingerprint of the error, '' for a success. Kept only for the breaker. */
    recent: text('recent').array().notNull().default([]),
    createdAt: at('created_at').notNull().defaultNow(),
    startedAt: at('started_at'),
    endedAt: at('ended_at'),
  },
  (t) => [
    uniqueIndex('batches_one_active')
      .on(t.workflow)
      .where(sql`status in ('starting', 'running', 'paused')`),
    uniqueIndex('batches_one_queued')
      .on(t.workflow)
      .where(sql`status = 'queued'`),
    index('batches_workflow').on(t.workflow, t.id),
  ],
)
