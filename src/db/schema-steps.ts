import {
  bigint,
  boolean,
  foreignKey,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  uuid,
} from 'drizzle-orm/pg-core'
import { at } from './columns.ts'
import type { Json } from './json.ts'
import { batchItems } from './schema-items.ts'

export const stepKinds = ['step', 'sleep', 'event', 'call'] as const
export const stepStatuses = ['running', 'waiting', 'given', 'done', 'failed', 'undoing', 'undone'] as const

/** A step of a durable item. Runs come and go; a step that is done here is never done again, unless it was undone. */
export const itemSteps = pgTable(
  'item_steps',
  {
    batchId: uuid('batch_id').notNull(),
    itemId: text('item_id').notNull(),
    name: text('name').notNull(),
    kind: text('kind', { enum: stepKinds }).notNull(),
    /** An event may be `given` before anything waits for it. */
    status: text('status', { enum: stepStatuses }).notNull(),
    /** The item's attempt that has begun it last. */
    attempt: integer('attempt').notNull(),
    /** Rises when it is begun anew after it failed or was undone; part of its idempotency key. */
    round: integer('round').notNull().default(1),
    /** How often it was tried in this round. */
    tries: integer('tries').notNull().default(0),
    /** Fencing token of the try at work, and how long that may last. */
    token: uuid('token'),
    leaseUntil: at('lease_until'),
    /** When a wait ends at the latest. */
    until: at('until'),
    result: jsonb('result').$type<Json>(),
    error: jsonb('error').$type<{ name: string; message: string; step: string }>(),
    /** A try may have done something though it did not say so. */
    uncertain: boolean('uncertain').notNull().default(false),
    /** The handler has said how to undo it. */
    undoable: boolean('undoable').notNull().default(false),
    /** How many steps the handler had heard of when it asked for this one: the same for those that it asks for together. */
    turn: integer('turn').notNull().default(0),
    /** Of a wait: the step whose answer is waited for, where the handler says so. */
    answerTo: text('answer_to'),
    /** A try of it has used mail or payments. */
    acted: boolean('acted').notNull().default(false),
    /** Milliseconds of work. */
    workMs: integer('work_ms').notNull().default(0),
    /** In the order in which their rounds were begun. */
    position: bigint('position', { mode: 'number' }).notNull().generatedByDefaultAsIdentity(),
    startedAt: at('started_at').notNull().defaultNow(),
    endedAt: at('ended_at'),
    /** How often its undoing was tried, and what went wrong with that last. */
    undoTries: integer('undo_tries').notNull().default(0),
    undoError: jsonb('undo_error').$type<{ name: string; message: string; step: string }>(),
    undoneAt: at('undone_at'),
    /** It has failed and was undone by itself, and the handler has gone on without it. */
    undoneAlone: boolean('undone_alone').notNull().default(false),
  },
  (t) => [
    primaryKey({ columns: [t.batchId, t.itemId, t.name] }),
    foreignKey({
      columns: [t.batchId, t.itemId],
      foreignColumns: [batchItems.batchId, batchItems.itemId],
    }).onDelete('cascade'),
  ],
)
