import { and, desc, eq, lt } from 'drizzle-orm'
import type { Db } from '../../db/client.ts'
import { plans } from '../../db/schema.ts'

export type StoredPlan = typeof plans.$inferSelect

/** Plans, latest first, from before the id `cursor`. */
export const listPlans = (
  db: Db,
  filter: { workflow?: string; cursor?: string; count: number },
): Promise<StoredPlan[]> =>
  db
    .select()
    .from(plans)
    .where(
      and(
        filter.workflow === undefined ? undefined : eq(plans.workflow, filter.workflow),
        filter.cursor === undefined ? undefined : lt(plans.id, filter.cursor),
      ),
    )
    .orderBy(desc(plans.id))
    .limit(filter.count)

/** One plan, or undefined. */
export async function findPlan(db: Db, id: string): Promise<StoredPlan | undefined> {
  const [plan] = await db.select().from(plans).where(eq(plans.id, id))
  return plan
}
