import { createRoute, z } from '@hono/zod-openapi'
import { countUncertain } from '../../engine/ledger/count-again.ts'
import { failuresOf } from '../../engine/ledger/failures.ts'
import { mostRetried, retryFailed, type RetryFilter } from '../../engine/ledger/retry-failed.ts'
import { tryToPinPace } from '../../engine/pace.ts'
import { triggerPage } from '../../engine/resume.ts'
import { conflict } from '../../errors.ts'
import type { Workflow } from '../../workflows/contract.ts'
import {
  batchPath,
  body,
  confirm,
  confirmed,
  createApi,
  idempotencyHeader,
  json,
  problemsOfChange,
  problemsOfOne,
  reason,
  security,
} from './api.ts'
import { askedBy } from '../auth.ts'
import { batchOf } from './batches.ts'
import { deployed } from './control.ts'
import { itemErrorSchema } from './resources/item.ts'

const groupSchema = z
  .object({
    fingerprint: z.string(),
    error: itemErrorSchema,
    count: z.int(),
    retrying: z.int().openapi({ description: 'Of these, how many already wait to be tried again' }),
    firstSeen: z.iso.datetime().openapi({ description: 'When the first of these items failed for good' }),
    lastSeen: z.iso.datetime().openapi({ description: 'When the last of them did' }),
    items: z.array(z.string()).openapi({ description: 'Ids of a few' }),
  })
  .openapi('FailureGroup')

const failures = createRoute({
  method: 'get',
  path: '/batches/{id}/failures',
  operationId: 'listFailures',
  summary: 'Failed items, grouped by error, the most frequent first',
  tags: ['failures'],
  security,
  request: { params: batchPath },
  responses: {
    200: json(
      z.object({
        data: z.array(groupSchema),
        more: z.boolean().openapi({ description: 'There are further groups, which are not shown' }),
      }),
      'The groups',
    ),
    ...problemsOfOne,
  },
})

const retryBody = z
  .strictObject({
    all: z.literal(true).optional(),
    fingerprint: z.string().min(1).optional(),
    itemIds: z.array(z.string()).min(1).max(1000).optional(),
    limit: z
      .int()
      .min(1)
      .max(mostRetried)
      .optional()
      .openapi({ description: `At most so many of them, by id; ${mostRetried} unless given` }),
    confirm,
    reason,
  })
  .refine(
    ({ all, fingerprint, itemIds }) =>
      [all, fingerprint, itemIds].filter((filter) => filter !== undefined).length === 1,
    'names not exactly one of all, fingerprint and itemIds',
  )
  .openapi('Retry')

const retry = createRoute({
  method: 'post',
  path: '/batches/{id}/retry',
  operationId: 'retryFailed',
  summary: 'Try failed items again: all, one group, some, or N of them',
  description:
    'A completed batch runs again for them. Items that have got a result since they failed are left alone. Of a cancelled batch, what could not be undone is undone, and nothing else is tried again.',
  tags: ['failures'],
  security,
  request: { params: batchPath, headers: idempotencyHeader, ...body(retryBody) },
  responses: {
    200: json(
      z.object({
        retried: z.int().openapi({
          description:
            'Failed items that will be tried again, or undone again; those that wait for it already are counted nowhere',
        }),
        alreadyDone: z
          .int()
          .openapi({ description: 'Failed items, up to the last of these, with a result since' }),
        left: z.int().openapi({ description: 'Failed items that were asked for, but were above the limit' }),
        notFailed: z
          .int()
          .openapi({ description: 'Of the given itemIds, those of the batch that have not failed' }),
        unknown: z.int().openapi({ description: 'Of the given itemIds, those that are no items of it' }),
      }),
      'How many',
    ),
    ...problemsOfChange,
  },
})

function filterOf({ fingerprint, itemIds }: z.output<typeof retryBody>): RetryFilter {
  if (fingerprint !== undefined) return { fingerprint }
  return itemIds === undefined ? { all: true } : { itemIds }
}

export const failureRoutes = (workflows: readonly Workflow[]) =>
  createApi()
    .openapi(failures, async (c) => {
      const batch = await batchOf(c.var.services, c.req.valid('param').id)
      const { groups, more } = await failuresOf(c.var.services.db, batch.id)
      return c.json({ data: groups, more }, 200)
    })
    .openapi(retry, async (c) => {
      const { services } = c.var
      const batch = await batchOf(services, c.req.valid('param').id)
      const workflow = deployed(workflows, batch)
      const asked = c.req.valid('json')
      const filter = filterOf(asked)
      await confirmed(workflow, asked.confirm, () => countUncertain(services.db, batch.id, filter))
      const header = c.req.valid('header')['idempotency-key']
      const once = header === undefined ? undefined : `retry:${batch.id}:${header}`
      const by = askedBy(c.var.actor, asked, once)
      const retried = await retryFailed(
        services.db,
        batch.id,
        { filter, limit: asked.limit ?? null },
        { ...by, confirmed: asked.confirm },
      )
      switch (retried.outcome) {
        case 'retried':
          if (retried.reopened) await tryToPinPace(services, workflow, batch.id)
          await triggerPage(services, workflow, batch.id, retried.nextPage)
          return c.json(retried.counts, 200)
        case 'killed':
          throw conflict('the kill switch is on', { killSwitch: true })
        case 'busy':
          throw conflict('another batch of the workflow is active: retry when it has ended', {
            activeBatchId: retried.activeBatchId,
          })
        case 'key_used':
          throw conflict('this Idempotency-Key was used to retry something else', { batchId: batch.id })
        case 'ended':
          throw conflict(`nothing is tried again in a batch that is ${batch.status}`, {
            status: batch.status,
          })
      }
    })
