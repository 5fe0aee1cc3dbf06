import { asc, sql, type SQL } from 'drizzle-orm'
import { z } from 'zod'
import { queryRows, type Db } from '../../db/client.ts'
import { killSwitches } from '../../db/schema.ts'
import { killed, lastsOn, statusPaused } from './bounds.ts'
import { logBatchChange, rounds, type By } from './changes.ts'

/** Stands for every workflow; none may be called so. */
export const everyWorkflow = 'all'

const b = sql.raw('b')
const was = sql.raw('was')

/**
 * Turns the kill switch of a workflow, or of all, on: nothing starts any more. Running batches are paused; once this
 * has answered, no item starts. Whoever is past the gate by then held the lock that the second statement waits for; so
 * did whoever began or resumed a batch without having seen the switch.
 *
 * @returns the batches that it paused.
 */
export async function engageKillSwitch(db: Db, workflow: string, by: By): Promise<string[]> {
  const engage = sql`
    with engaged as (
      insert into kill_switches (workflow, actor, reason) values (${workflow}, ${by.actor}, ${by.reason})
      on conflict (workflow) do nothing returning workflow
    )
    insert into changes (actor, action, workflow, reason, before, after)
    select ${by.actor}, 'kill-switch.on', workflow, ${by.reason}, 'false'::jsonb, 'true'::jsonb from engaged`
  await db.execute(engage)
  return await pauseKilled(db, batchesOf(workflow), by)
}

const batchesOf = (workflow: string) => sql`(${workflow} = ${everyWorkflow} or workflow = ${workflow})`

/** Pauses what a kill switch has left running: whoever turned it on, or let a batch run meanwhile, may have died first. */
export const pauseLeftRunning = (db: Db, workflow: string): Promise<string[]> =>
  pauseKilled(db, batchesOf(workflow), rounds)

/**
 * Pauses the running batches among `which`, a condition on `batches`, if a kill switch is on for them, and what lasts on of
 * completed ones; one in `starting` is paused when it begins. Whoever lets a batch run without a lock that the switch
 * waits for does this afterwards.
 *
 * @returns their ids.
 */
export async function pauseKilled(db: Db, which: SQL, by: By): Promise<string[]> {
  const pause = sql`
    with was as (
      select * from batches
      where (status in ('starting', 'running', 'paused') or ${lastsOn(sql.raw('batches'))})
        and ${killed(sql.raw('batches'))} and ${which}
      for no key update
    ),
    paused as (
      update batches b set
        status = ${statusPaused(was)},
        paused_by = 'kill_switch', reason = coalesce(${by.reason}::text, 'the kill switch is on')
      from was
      where b.id = was.id and (
        was.status = 'running' or (was.status in ('starting', 'completed') and was.paused_by is null))
      returning b.*
    ),
    logged as (${logBatchChange(by, sql`'batch.pause'`, was, b, sql`paused b join was on b.id = was.id`)})
    select id from paused`
  return (await queryRows(db, pause, z.object({ id: z.string() }))).map(({ id }) => id)
}

/** Turns the kill switch off. What it has stopped stays paused until it is resumed. False: it was not on. */
export async function releaseKillSwitch(db: Db, workflow: string, by: By): Promise<boolean> {
  await pauseLeftRunning(db, workflow)
  const release = sql`
    with released as (delete from kill_switches where workflow = ${workflow} returning workflow)
    insert into changes (actor, action, workflow, reason, before, after)
    select ${by.actor}, 'kill-switch.off', workflow, ${by.reason}, 'true'::jsonb, 'false'::jsonb from released
    returning id`
  const { rows } = await db.execute(release)
  return rows.length > 0
}

export type KillSwitch = typeof killSwitches.$inferSelect

export const listKillSwitches = (db: Db): Promise<KillSwitch[]> =>
  db.select().from(killSwitches).orderBy(asc(killSwitches.workflow))

/** The workflow's kill switch, or the one for all, is on. */
export async function isKilled(db: Db, workflow: string): Promise<boolean> {
  const { rows } = await db.execute(
    sql`select 1 from (select ${workflow}::text as workflow) b where ${killed(b)}`,
  )
  return rows.length > 0
}
