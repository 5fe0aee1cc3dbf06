import type { Context } from 'hono'
import { cancel, pause, resume } from '../../engine/control.ts'
import type { AppEnv } from '../../engine/app-env.ts'
import { findBatch } from '../../engine/ledger/read-batches.ts'
import { conflict, notFound } from '../../errors.ts'
import type { Workflow } from '../../workflows/contract.ts'
import { parse } from '../respond.ts'
import { batchId } from './requests.ts'
import { batchResource } from './resources.ts'

const actions = {
  pause: { act: pause, target: 'paused' },
  resume: { act: resume, target: 'running' },
  cancel: { act: cancel, target: 'cancelled' },
} as const

/** 200 with the batch, also when it already is what was asked for; 409 when its status does not allow it. */
export async function control(
  c: Context<AppEnv>,
  workflows: readonly Workflow[],
  action: keyof typeof actions,
): Promise<Response> {
  const id = parse(batchId, c.req.param('id'))
  const { services } = c.var
  const before = await findBatch(services.db, id)
  if (before === undefined) throw notFound(`batch ${id}`)
  const workflow = workflows.find(({ name }) => name === before.workflow)
  if (workflow === undefined) throw conflict(`workflow ${before.workflow} is not part of this deployment`)

  const { act, target } = actions[action]
  const done = await act(services, workflow, id)
  const after = (await findBatch(services.db, id)) ?? before
  if (!done && after.status !== target) {
    throw conflict(`a batch that is ${after.status} cannot be ${target}`, { status: after.status })
  }
  return c.json(batchResource(after))
}
