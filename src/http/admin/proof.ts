import { createRoute } from '@hono/zod-openapi'
import type { Db } from '../../db/client.ts'
import { readEvidence } from '../../engine/ledger/proof.ts'
import { itemsAfter } from '../../engine/ledger/read-items.ts'
import { notFound } from '../../errors.ts'
import { streamed, textStream } from '../stream.ts'
import { batchPath, createApi, json, problemsOfOne, security } from './api.ts'
import { itemResource } from './resources/item.ts'
import { proofResource, proofSchema, type Proof } from './resources/proof.ts'

/** The database answers with at most 10 MB; an item with the longest error has 4 kB. */
const itemsPerPage = 2500

const get = createRoute({
  method: 'get',
  path: '/batches/{id}/proof',
  operationId: 'getProof',
  summary: 'What became of every item, what it cost, and who did what',
  description:
    'Everything is of one moment. Reads each item of the batch once: a third of a second for a million.',
  tags: ['batches'],
  security,
  request: { params: batchPath },
  responses: { 200: json(proofSchema, 'The proof'), ...problemsOfOne },
})

const download = createRoute({
  method: 'get',
  path: '/batches/{id}/proof.ndjson',
  operationId: 'downloadProof',
  summary: 'The proof with every item, a line of JSON each',
  description: `First \`{ "type": "proof", … }\`, then \`{ "type": "item", … }\` for each item by id, last
\`{ "type": "end", "items": N }\`. Without that line the download was broken off. Items of a batch that still runs may
move meanwhile.`,
  tags: ['batches'],
  security,
  request: { params: batchPath },
  responses: { 200: streamed('application/x-ndjson', 'The lines'), ...problemsOfOne },
})

/** @throws HttpError 404 */
async function proofOf(db: Db, id: string): Promise<Proof> {
  const evidence = await readEvidence(db, id)
  if (evidence === undefined) throw notFound(`batch ${id}`)
  return proofResource(evidence)
}

const line = (type: string, fields: object) => `${JSON.stringify({ type, ...fields })}\n`

/** A page of lines at a time. */
async function* lines(db: Db, proof: Proof): AsyncGenerator<string, void> {
  yield line('proof', proof)
  let written = 0
  let cursor: string | undefined
  do {
    const page = await itemsAfter(db, proof.batchId, cursor, itemsPerPage)
    written += page.length
    cursor = page.length < itemsPerPage ? undefined : page.at(-1)?.itemId
    if (page.length > 0) yield page.map((item) => line('item', itemResource(item))).join('')
  } while (cursor !== undefined)
  yield line('end', { items: written })
}

export const proofRoutes = () =>
  createApi()
    .openapi(get, async (c) => c.json(await proofOf(c.var.services.db, c.req.valid('param').id), 200))
    .openapi(download, async (c) => {
      const { id } = c.req.valid('param')
      const { db } = c.var.services
      const proof = await proofOf(db, id)
      return c.body(
        textStream(() => lines(db, proof)),
        200,
        {
          'content-type': 'application/x-ndjson',
          'content-disposition': `attachment; filename="batch-${id}.ndjson"`,
          'cache-control': 'no-store',
        },
      )
    })
