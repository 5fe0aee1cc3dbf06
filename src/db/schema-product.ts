import { sql } from 'drizzle-orm'
import { boolean, index, integer, jsonb, pgTable, text } from 'drizzle-orm/pg-core'
import { at } from './columns.ts'
import type { Json } from './json.ts'

/** People who use the product. */
export const users = pgTable('users', {
  id: text('id').primaryKey(),
  name: text('name').notNull(),
  email: text('email').notNull(),
  /** BCP 47. */
  locale: text('locale').notNull().default('en-US'),
  interests: jsonb('interests').$type<string[]>().notNull().default([]),
  status: text('status', { enum: ['active', 'suspended', 'deleted'] })
    .notNull()
    .default('active'),
  lastActiveAt: at('last_active_at'),
  createdAt: at('created_at').notNull().defaultNow(),
})

/** What a user pays for; a user may have had several. */
export const subscriptions = pgTable(
  'subscriptions',
  {
    id: text('id').primaryKey(),
    userId: text('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    plan: text('plan', { enum: ['free', 'starter', 'pro', 'team'] }).notNull(),
    status: text('status', { enum: ['trialing', 'active', 'past_due', 'canceled'] }).notNull(),
    currentPeriodEnd: at('current_period_end'),
  },
  (t) => [index('subscriptions_user').on(t.userId, t.status)],
)

/** AI agents that users made. A virtual agent is the product's own and has no page to welcome anyone on. */
export const agents = pgTable(
  'agents',
  {
    id: text('id').primaryKey(),
    userId: text('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    locale: text('locale').notNull().default('en-US'),
    title: text('title').notNull(),
    description: text('description').notNull().default(''),
    tags: jsonb('tags').$type<string[]>().notNull().default([]),
    avatar: text('avatar'),
    systemRole: text('system_role').notNull().default(''),
    openingMessage: text('opening_message'),
    openingQuestions: jsonb('opening_questions').$type<string[]>().notNull().default([]),
    virtual: boolean('virtual').notNull().default(false),
    visibility: text('visibility', { enum: ['private', 'public'] })
      .notNull()
      .default('private'),
    /** An owner may submit an agent to the public gallery; somebody has to look at it first. */
    review: text('review', { enum: ['none', 'submitted', 'published', 'rejected'] })
      .notNull()
      .default('none'),
    createdAt: at('created_at').notNull().defaultNow(),
  },
  (t) => [
    index('agents_user').on(t.userId),
    index('agents_submitted')
      .on(t.id)
      .where(sql`review = 'submitted'`),
  ],
)

/** Conversations; the titles of a user's latest ones say what they care about now. */
export const topics = pgTable(
  'topics',
  {
    id: text('id').primaryKey(),
    userId: text('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    title: text('title').notNull(),
    createdAt: at('created_at').notNull().defaultNow(),
  },
  (t) => [index('topics_user_recent').on(t.userId, t.createdAt.desc(), t.id.desc())],
)

/** What users have asked to be upgraded to, and how they pay for it. */
export const upgrades = pgTable(
  'upgrades',
  {
    id: text('id').primaryKey(),
    userId: text('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    plan: text('plan', { enum: ['starter', 'pro', 'team'] }).notNull(),
    /** In the currency's minor unit. */
    amount: integer('amount').notNull(),
    /** ISO 4217, in lower case. */
    currency: text('currency').notNull(),
    /** What the payment service knows the user and their card by. */
    customer: text('customer').notNull(),
    paymentMethod: text('payment_method').notNull(),
    status: text('status', { enum: ['requested', 'active', 'failed'] })
      .notNull()
      .default('requested'),
    createdAt: at('created_at').notNull().defaultNow(),
  },
  (t) => [
    index('upgrades_requested')
      .on(t.id)
      .where(sql`status = 'requested'`),
  ],
)

/** What a user was given with a plan. A grant that is revoked never counted. */
export const grants = pgTable(
  'grants',
  {
    /** Says which step of which item gave it, so that it is given once. */
    id: text('id').primaryKey(),
    userId: text('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    kind: text('kind', { enum: ['quota', 'credits'] }).notNull(),
    amount: integer('amount').notNull(),
    grantedAt: at('granted_at').notNull().defaultNow(),
    revokedAt: at('revoked_at'),
  },
  (t) => [index('grants_user').on(t.userId, t.kind)],
)

export const approvalStatuses = ['pending', 'approved', 'rejected', 'expired'] as const

/** What waits for a person's decision. The item that waits is told of it by an event. */
export const approvals = pgTable(
  'approvals',
  {
    /** Says which step of which item asks, so that it asks once. */
    id: text('id').primaryKey(),
    workflow: text('workflow').notNull(),
    itemId: text('item_id').notNull(),
    /** The event that the decision is given as. */
    event: text('event').notNull(),
    subject: text('subject').notNull(),
    details: jsonb('details').$type<Json>().notNull(),
    status: text('status', { enum: approvalStatuses }).notNull().default('pending'),
    decidedBy: text('decided_by'),
    reason: text('reason'),
    createdAt: at('created_at').notNull().defaultNow(),
    expiresAt: at('expires_at').notNull(),
    decidedAt: at('decided_at'),
  },
  (t) => [index('approvals_status').on(t.status, t.createdAt, t.id)],
)
