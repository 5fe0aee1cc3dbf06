import { and, eq, exists, ne, sql, type SQLWrapper } from 'drizzle-orm'
import { z } from 'zod'
import type { Db } from '../db/client.ts'
import { subscriptions } from '../db/schema.ts'

/** The params of a workflow that may be limited to those who pay. */
export const paidOnlyParams = z.object({ paidOnly: z.boolean().default(false) })

/** The user has an active subscription to a plan that costs something. */
export const hasPaidPlan = (db: Db, userId: SQLWrapper) =>
  exists(
    db
      .select({ one: sql`1` })
      .from(subscriptions)
      .where(
        and(
          eq(subscriptions.userId, userId),
          eq(subscriptions.status, 'active'),
          ne(subscriptions.plan, 'free'),
        ),
      ),
  )
