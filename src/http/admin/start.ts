import type { Context } from 'hono'
import type { AppEnv } from '../../engine/app-env.ts'
import { makePlan } from '../../engine/ledger/plan.ts'
import { findBatch } from '../../engine/ledger/read-batches.ts'
import { startBatch } from '../../engine/start.ts'
import { conflict, notFound } from '../../errors.ts'
import type { Workflow } from '../../workflows/contract.ts'
import { jsonBody, parse } from '../respond.ts'
import { idempotencyKey, startBody } from './requests.ts'
import { batchResource } from './resources.ts'

/**
 * 201 with the new batch; 200 with the plan on a dry run, or with the batch that the same `Idempotency-Key` started
 * before; 409 naming the active batch when there is one, or when the key was used with other options.
 */
export async function start(c: Context<AppEnv>, workflows: readonly Workflow[]): Promise<Response> {
  const name = c.req.param('name') ?? ''
  const workflow = workflows.find((candidate) => candidate.name === name)
  if (workflow === undefined) throw notFound(`workflow ${name}`)
  const { dryRun, params: rawParams, ...wish } = parse(startBody, await jsonBody(c))
  const params = parse(workflow.params, rawParams)
  const { services } = c.var

  if (dryRun) {
    const scope = workflow.scope(params)
    const { id, ...plan } = await makePlan(services.db, `dry-run:${crypto.randomUUID()}`, {
      workflow,
      params,
      scope,
      ...wish,
    })
    return c.json({ planId: id, dryRun: true, ...plan })
  }

  const header = c.req.header('idempotency-key')
  const key = header === undefined ? crypto.randomUUID() : parse(idempotencyKey, header)
  const startKey = `api:${name}:${key}`
  const opened = await startBatch(services, {
    workflow,
    startKey,
    startedBy: 'api',
    params,
    ...wish,
  })
  const { outcome, batch } = opened
  if (outcome === 'active') {
    throw conflict(`batch ${batch.id} of ${name} is ${batch.status}`, { activeBatchId: batch.id })
  }
  if (outcome === 'found' && !opened.sameOptions) {
    throw conflict('this Idempotency-Key was used for a start with other options', { batchId: batch.id })
  }
  const started = await findBatch(services.db, batch.id)
  if (started === undefined) throw notFound(`batch ${batch.id}`)
  return c.json(batchResource(started), outcome === 'opened' ? 201 : 200)
}
