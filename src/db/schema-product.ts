import { boolean, index, jsonb, pgTable, text, timestamp } from 'drizzle-orm/pg-core'

const at = (name: string) => timestamp(name, { withTimezone: true })

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
    createdAt: at('created_at').notNull().defaultNow(),
  },
  (t) => [index('agents_user').on(t.userId)],
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
