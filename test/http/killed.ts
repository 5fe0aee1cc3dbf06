import { sql } from 'drizzle-orm'
import { z } from 'zod'
import { queryOne } from '../../src/db/client.ts'
import type { Workflow } from '../../src/workflows/contract.ts'
import { insertUsers } from '../support/population.ts'
import { rounds } from '../support/rounds.ts'
import { toyWorkflow } from '../support/toy.ts'

type Options = NonNullable<Parameters<typeof toyWorkflow>[1]>

/** Two workflows over the same users, `toy` and `other`, that note whom they worked on. */
export async function twoWorkflows(count: number, options: Options = {}) {
  const worked: { toy: string[]; other: string[] } = { toy: [], other: [] }
  const workflow = (name: 'toy' | 'other'): Workflow =>
    toyWorkflow(
      (_, id) => {
        worked[name].push(id)
        return Promise.resolve({ text: id })
      },
      { name, ...options },
    )
  const workflows = [workflow('toy'), workflow('other')]
  const app = rounds(workflows)
  await insertUsers(app.services.db, count)
  const turn = (on: boolean, name = 'toy', reason?: string) =>
    app.call('PUT', `/api/admin/kill-switches/${name}`, { on, ...(reason === undefined ? {} : { reason }) })
  return {
    ...app,
    workflows,
    worked,
    turn,
    act: (id: string, action: string, body: unknown = {}) =>
      app.call('POST', `/api/admin/batches/${id}/${action}`, body),
    /** How many items a delivery has ever claimed. */
    claimed: async () => {
      const statement = sql`select count(*)::int as n from batch_items where claims > 0`
      return (await queryOne(app.services.db, statement, z.object({ n: z.int() }))).n
    },
    batches: async () => {
      const { rows } = await app.services.db.execute(
        sql`select workflow, status, paused_by as "pausedBy", reason from batches order by id`,
      )
      return rows
    },
  }
}

export const killSwitchIsOn = {
  status: 409,
  body: { error: { code: 'conflict', details: { killSwitch: true } } },
}
