import { sql, type SQL } from 'drizzle-orm'
import type { Db } from '../../db/client.ts'
import type { Params, Workflow } from '../../workflows/contract.ts'

/** What the engine composes its statements from. The population is the relation `p(id, version)`. */
export type Selection = {
  workflow: Workflow
  params: Params
  scope: string
  /** Results that are there do not count. */
  force: boolean
}

/** Statuses of an item that some batch still has to end. */
export const unfinished = sql.raw(`('queued', 'running', 'waiting')`)

/** `(…) as p(id, version)` */
export function population(db: Db, { workflow, params }: Selection): SQL {
  const query = workflow.population({ db, params })
  const fields = Object.keys(query._.selectedFields).join(', ')
  if (fields !== 'id, version') {
    throw new TypeError(`the population of ${workflow.name} selects (${fields}) instead of (id, version)`)
  }
  return sql`(${query.getSQL()}) as p(id, version)`
}

/** Join condition of `results r` with `p`: the row's fresh result. */
export const freshResult = ({ workflow, scope }: Selection): SQL => sql`
  r.workflow = ${workflow.name} and r.scope = ${scope} and r.item_id = p.id::text
  and r.version = p.version and (r.expires_at is null or r.expires_at > now())`

/** Join condition of `batch_items h` with `p`: the item in a batch that has not finished it; at most one. */
export const heldItem = ({ workflow, scope }: Selection): SQL => sql`
  h.workflow = ${workflow.name} and h.scope = ${scope} and h.item_id = p.id::text and h.status in ${unfinished}`

/**
 * An item of the row `p` has failed after it had acted, and to begin it anew could mean a second mail or charge: only
 * force does that. Trying it again in its batch goes on from where it failed.
 */
export const hasActed = ({ workflow, scope, force }: Selection): SQL =>
  workflow.replaySafe || force
    ? sql`false`
    : sql`exists (
        select 1 from batch_items a
        where a.workflow = ${workflow.name} and a.scope = ${scope} and a.item_id = p.id::text and a.acted)`

/** The row `p` has no fresh result, no batch holds it unfinished, and it has not failed after it had acted. */
export function needsWork(selection: Selection): SQL {
  const notHeld = sql`not exists (select 1 from batch_items h where ${heldItem(selection)}) and not ${hasActed(selection)}`
  if (selection.force) return notHeld
  return sql`not exists (select 1 from results r where ${freshResult(selection)}) and ${notHeld}`
}
