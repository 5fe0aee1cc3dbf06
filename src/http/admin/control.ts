import type { Context } from 'hono'
import type { AppEnv } from '../../engine/app-env.ts'
import { cancelBatch } from '../../engine/ledger/cancel-batch.ts'
import { pauseBatch } from '../../engine/ledger/pause-batch.ts'
import { findBatch } from '../../engine/ledger/read-batches.ts'
import { resume } from '../../engine/resume.ts'
import type { Services } from '../../engine/services.ts'
import { conflict, notFound } from '../../errors.ts'
import type { Workflow } from '../../workflows/contract.ts'
import { parse } from '../respond.ts'
import { batchId } from './requests.ts'
import { batchResource } from './resources.ts'

type Batch = { id: string; workflow: string }

/** What an operator may do to a batch, and the status it then has. `act` is false when the batch is not as it should be. */
const actions = {
  pause: {
    target: 'paused',
    done: 'paused',
    act: ({ db }: Services, { id }: Batch) => pauseBatch(db, id, null),
  },
  resume: { target: 'running', done: 'resumed', act: resumeOf },
  cancel: {
    target: 'cancelled',
    done: 'cancelled',
    act: ({ db }: Services, { id }: Batch) => cancelBatch(db, id),
  },
} as const

async function resumeOf(services: Services, batch: Batch, workflows: readonly Workflow[]): Promise<boolean> {
  const workflow = workflows.find(({ name }) => name === batch.workflow)
  if (workflow === undefined) throw conflict(`workflow ${batch.workflow} is not part of this deployment`)
  return await resume(services, workflow, batch.id)
}

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

  const { act, target, done } = actions[action]
  const acted = await act(services, before, workflows)
  const after = (await findBatch(services.db, id)) ?? before
  if (!acted && after.status !== target) {
    throw conflict(`a batch that is ${after.status} cannot be ${done}`, { status: after.status })
  }
  return c.json(batchResource(after))
}
