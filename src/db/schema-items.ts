import { sql } from 'drizzle-orm'
import {
  boolean,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core'
import { at } from './columns.ts'
import { batches } from './schema-batches.ts'

export const itemStatuses = [
  'queued',
  'running',
  'waiting',
  'succeeded',
  'skipped',
  'failed',
  'cancelled',
] as const

export const undoings = ['failed', 'cancelled', 'retry'] as const

/** A page that was read and recorded; never recomputed. */
export const batchPages = pgTable(
  'batch_pages',
  {
    batchId: uuid('batch_id')
      .notNull()
      .references(() => batches.id, { onDelete: 'cascade' }),
    number: integer('number').notNull(),
    /** Keyset cursor: the greatest population id the page has passed; null when it found no row. */
    lastId: text('last_id'),
    /** Population rows the page passed over because they need no work. */
    skipped: integer('skipped').notNull(),
    recordedAt: at('recorded_at').notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.batchId, t.number] })],
)

/** An item of a workflow that waits for the end of another one. */
export type Invoker = {
  workflow: string
  batchId: string
  itemId: string
  event: string
  /** The step that has invoked it, and in which round of it; left out in what was noted by earlier versions. */
  answers?: StepRound | undefined
}
export type StepRound = { step: string; round: number }

/** One entity in a batch. */
export const batchItems = pgTable(
  'batch_items',
  {
    batchId: uuid('batch_id')
      .notNull()
      .references(() => batches.id, { onDelete: 'cascade' }),
    itemId: text('item_id').notNull(),
    workflow: text('workflow').notNull(),
    scope: text('scope').notNull(),
    page: integer('page').notNull(),
    /** Version of the input when the page was recorded. */
    version: text('version').notNull(),
    status: text('status', { enum: itemStatuses }).notNull(),
    /** The attempt whose run may take the item; part of that run's id. */
    attempt: integer('attempt').notNull().default(1),
    /** How often the item was claimed. */
    claims: integer('claims').notNull().default(0),
    /** Fencing token of the claim; only its holder may save. */
    token: uuid('token'),
    leaseUntil: at('lease_until'),
    /** The last one, also of an item that is tried again. `step` is where it came from. */
    error: jsonb('error').$type<{ name: string; message: string; step: string }>(),
    /** Equal for errors that differ only in ids and numbers. */
    fingerprint: text('fingerprint'),
    /** It failed and is to be tried again, in a page that has room for it. */
    retry: boolean('retry').notNull().default(false),
    /** What every try used, also those that came to nothing. */
    inputTokens: integer('input_tokens').notNull().default(0),
    outputTokens: integer('output_tokens').notNull().default(0),
    /** Version of the durable handler that it is handled by; null: its work is one step. */
    handler: integer('handler'),
    /** Name of the step that a waiting item waits in, and when the wait ends at the latest. */
    waitingFor: text('waiting_for'),
    waitingUntil: at('waiting_until'),
    /** Durable items that wait for its end, each by the event that it is given as. */
    invokers: jsonb('invokers').$type<Invoker[]>().notNull().default([]),
    /** It ended without success though steps of it have done something: a later batch does not begin it anew. */
    acted: boolean('acted').notNull().default(false),
    /** What its steps have done is being undone, and then it ends so, or, for a `retry`, goes on. */
    undoing: text('undoing', { enum: undoings }),
    /** The attempt in which an operator's last retry began it anew: what had failed before is tried again. */
    retriedAttempt: integer('retried_attempt').notNull().default(1),
    /** How often it has got a new run because its handler had asked for other steps than before; then, because its undoing died. */
    renewals: integer('renewals').notNull().default(0),
    /** When it was last given to QStash. */
    queuedAt: at('queued_at').notNull().defaultNow(),
    startedAt: at('started_at'),
    endedAt: at('ended_at'),
    /** Milliseconds of the last try's work. */
    workMs: integer('work_ms'),
  },
  (t) => [
    primaryKey({ columns: [t.batchId, t.itemId] }),
    uniqueIndex('batch_items_one_unfinished')
      .on(t.workflow, t.scope, t.itemId)
      .where(sql`status in ('queued', 'running', 'waiting')`),
    index('batch_items_acted')
      .on(t.workflow, t.scope, t.itemId)
      .where(sql`acted`),
    index('batch_items_status').on(t.batchId, t.status, t.itemId),
    index('batch_items_queued')
      .on(t.batchId, t.page)
      .where(sql`status = 'queued'`),
    index('batch_items_failed')
      .on(t.batchId, t.fingerprint, t.itemId)
      .where(sql`fingerprint is not null`),
    index('batch_items_retry')
      .on(t.batchId, t.itemId)
      .where(sql`retry`),
    index('batch_items_untold')
      .on(t.batchId, t.itemId)
      .where(sql`invokers <> '[]' and ended_at is not null`),
    index('batch_items_ended')
      .on(t.batchId, t.endedAt)
      .where(sql`ended_at is not null`),
  ],
)

/** The latest result for an item: the truth that Redis only caches. */
export const results = pgTable(
  'results',
  {
    workflow: text('workflow').notNull(),
    scope: text('scope').notNull(),
    itemId: text('item_id').notNull(),
    version: text('version').notNull(),
    data: jsonb('data').notNull(),
    model: text('model'),
    inputTokens: integer('input_tokens').notNull(),
    outputTokens: integer('output_tokens').notNull(),
    batchId: uuid('batch_id').notNull(),
    generatedAt: at('generated_at').notNull().defaultNow(),
    /** Null: fresh for as long as the version holds. */
    expiresAt: at('expires_at'),
  },
  (t) => [primaryKey({ columns: [t.workflow, t.scope, t.itemId] })],
)
