import { sql } from 'drizzle-orm'
import { z } from 'zod'
import { queryRows, type Db } from '../../db/client.ts'
import { batchStatuses, itemStatuses } from '../../db/schema.ts'
import type { Params, Workflow } from '../../workflows/contract.ts'
import type { NextPage } from './settle-batch.ts'

/** What the gate says to one delivery of one item's run. */
export type Claim =
  | { outcome: 'claimed'; token: string; version: string; params: Params; scope: string }
  /** Ended before; `nextPage` is the page that an interrupted delivery may have left untriggered. */
  | { outcome: 'finished'; status: string; scope: string; nextPage: NextPage | null }
  /** A live claim holds it for that long. */
  | { outcome: 'busy'; retryAfterSeconds: number }
  /** The batch takes no more work. */
  | { outcome: 'closed'; batchStatus: string }
  /** A later attempt has its own run. */
  | { outcome: 'superseded' }
  | { outcome: 'unknown' }

const row = z.object({
  batchStatus: z.enum(batchStatuses),
  params: z.record(z.string(), z.json()),
  scope: z.string(),
  batchAttempt: z.int(),
  pages: z.int(),
  paginating: z.boolean(),
  claimed: z.boolean(),
  itemStatus: z.enum(itemStatuses),
  version: z.string(),
  attempt: z.int(),
  leaseSeconds: z.coerce.number().nullable(),
})

/**
 * The gate. Takes the batch row for share, so that a pause or cancel that has answered is seen, and marks the item
 * `running` with a fencing token and a lease. At a closed gate nothing changes: resuming gives the item a new run.
 */
export async function claimItem(...args: Parameters<typeof claimOnce>): Promise<Claim> {
  const claim = await claimOnce(...args)
  // It may have waited for the very save that ended the item, and not have seen it.
  return claim.outcome === 'busy' ? await claimOnce(...args) : claim
}

async function claimOnce(
  db: Db,
  workflow: Workflow,
  item: { batchId: string; itemId: string; attempt: number },
  lease: { token: string; seconds: number },
): Promise<Claim> {
  const { batchId, itemId, attempt } = item
  const statement = sql`
    with batch as (select * from batches where id = ${batchId}::uuid and workflow = ${workflow.name} for share),
    claimed as (
      update batch_items i set
        status = 'running', token = ${lease.token}::uuid, lease_until = now() + make_interval(secs => ${lease.seconds}),
        claims = i.claims + 1, started_at = coalesce(i.started_at, now())
      from batch b where b.status = 'running' and i.batch_id = b.id and i.item_id = ${itemId}
        and i.attempt = ${attempt} and (i.status = 'queued' or (i.status = 'running' and i.lease_until <= now()))
      returning i.item_id
    )
    select
      b.status as "batchStatus", b.params, b.scope, b.attempt as "batchAttempt", b.pages,
      b.status = 'running' and not b.exhausted and not b.awaiting_room as paginating,
      exists (select 1 from claimed) as claimed,
      i.status as "itemStatus", i.version, i.attempt, extract(epoch from i.lease_until - now()) as "leaseSeconds"
    from batch b join batch_items i on i.batch_id = b.id and i.item_id = ${itemId}`
  const [found] = await queryRows(db, statement, row)
  return found === undefined ? { outcome: 'unknown' } : judge(found, attempt, lease.token)
}

const endStatuses = new Set(['succeeded', 'skipped', 'failed', 'cancelled'])

function judge(found: z.output<typeof row>, attempt: number, token: string): Claim {
  const { params, scope, version, itemStatus, batchStatus } = found
  if (found.claimed) return { outcome: 'claimed', token, version, params, scope }
  if (endStatuses.has(itemStatus)) {
    const nextPage = found.paginating ? { page: found.pages + 1, attempt: found.batchAttempt } : null
    return { outcome: 'finished', status: itemStatus, scope, nextPage }
  }
  const lease = itemStatus === 'running' ? (found.leaseSeconds ?? 0) : 0
  if (lease > 0) return { outcome: 'busy', retryAfterSeconds: Math.ceil(lease) }
  if (found.attempt !== attempt) return { outcome: 'superseded' }
  if (batchStatus !== 'running') return { outcome: 'closed', batchStatus }
  return { outcome: 'busy', retryAfterSeconds: 1 }
}
