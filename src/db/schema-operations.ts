import { bigint, boolean, index, integer, jsonb, pgTable, primaryKey, text, uuid } from 'drizzle-orm/pg-core'
import { at } from './columns.ts'
import type { Json } from './json.ts'

export const roles = ['viewer', 'operator'] as const

/** Who may use the admin API, besides the holder of ADMIN_TOKEN. */
export const tokens = pgTable('tokens', {
  name: text('name').primaryKey(),
  role: text('role', { enum: roles }).notNull(),
  /** SHA-256 of the token, in hex; the token itself is shown once and kept nowhere. */
  hash: text('hash').notNull().unique(),
  createdAt: at('created_at').notNull().defaultNow(),
})

/**
 * What changed, who did it and why. Written by the statement that makes the change, which holds the batch's lock, so
 * that the ids of one batch rise in the order of its changes.
 */
export const changes = pgTable(
  'changes',
  {
    id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    at: at('at').notNull().defaultNow(),
    /** Name of a token, `ADMIN_TOKEN`, or what Rounds did by itself: `rounds`. */
    actor: text('actor').notNull(),
    /** What was done: `batch.pause`, `heal.item` … */
    action: text('action').notNull(),
    workflow: text('workflow'),
    batchId: uuid('batch_id'),
    reason: text('reason'),
    before: jsonb('before').$type<Json>(),
    after: jsonb('after').$type<Json>(),
    /** A change that is asked for again with the same key is not made again. */
    key: text('key').unique(),
  },
  (t) => [
    index('changes_batch').on(t.batchId, t.id),
    index('changes_workflow').on(t.workflow, t.id),
    index('changes_actor').on(t.actor, t.id),
  ],
)

/** A workflow that is here starts nothing, nor does any when `all` is. */
export const killSwitches = pgTable('kill_switches', {
  workflow: text('workflow').primaryKey(),
  actor: text('actor').notNull(),
  reason: text('reason'),
  at: at('at').notNull().defaultNow(),
})

/** A few items that were really worked on, without anything being published. */
export const samples = pgTable('samples', {
  /** UUIDv7: ids sort by time. */
  id: uuid('id').primaryKey(),
  /** A sample that is asked for again with the same key is not paid for again. */
  key: text('key').notNull().unique(),
  workflow: text('workflow').notNull(),
  scope: text('scope').notNull(),
  params: jsonb('params').$type<{ [name: string]: Json | undefined }>().notNull(),
  force: boolean('force').notNull(),
  /** What was asked for. */
  options: jsonb('options').$type<Json>().notNull().default({}),
  createdAt: at('created_at').notNull().defaultNow(),
})

export const sampleItemStatuses = ['pending', 'succeeded', 'skipped', 'failed'] as const

export const sampleItems = pgTable(
  'sample_items',
  {
    sampleId: uuid('sample_id')
      .notNull()
      .references(() => samples.id, { onDelete: 'cascade' }),
    itemId: text('item_id').notNull(),
    /** Version of the input when the item was chosen. */
    version: text('version').notNull(),
    status: text('status', { enum: sampleItemStatuses }).notNull(),
    /** A pending item is being worked on until then; whoever does may have died. */
    leaseUntil: at('lease_until'),
    /** What the model was asked, in order. */
    input: jsonb('input').$type<{ instructions: string; prompt: string }[]>().notNull(),
    output: jsonb('output').$type<Json>(),
    error: jsonb('error').$type<{ name: string; message: string; step: string }>(),
    model: text('model'),
    inputTokens: integer('input_tokens').notNull(),
    outputTokens: integer('output_tokens').notNull(),
    /** Milliseconds of work. */
    workMs: integer('work_ms').notNull(),
  },
  (t) => [primaryKey({ columns: [t.sampleId, t.itemId] })],
)
