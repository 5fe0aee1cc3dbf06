import { OpenAPIHono, z } from '@hono/zod-openapi'
import type { Workflow } from '../../workflows/contract.ts'
import { conflict, notFound } from '../../errors.ts'
import { unfit } from '../respond.ts'
import type { AdminEnv } from '../auth.ts'

/** An app whose routes are described and validated by the same schemas. */
export const createApi = () =>
  new OpenAPIHono<AdminEnv>({
    defaultHook: (result) => {
      if (!result.success) throw unfit(result.error)
    },
  })

const errorSchema = z
  .object({
    error: z.object({
      code: z.string(),
      message: z.string(),
      details: z.unknown().optional(),
    }),
  })
  .openapi('Error')

const meanings = {
  400: 'The request does not fit; `details` says where',
  401: 'No valid token',
  403: 'The role of the token is not enough',
  404: 'There is no such thing',
  409: 'The state does not allow it; `details` says what is in the way',
  413: 'The body is too large',
  429: 'Too many requests without a valid token',
  503: 'A service did not answer, or is not configured',
}

/** A response with a JSON body. */
export const json = <Schema extends z.ZodType>(schema: Schema, description: string) => ({
  content: { 'application/json': { schema } },
  description,
})

const problem = (status: keyof typeof meanings) => json(errorSchema, meanings[status])

/** What any operation may answer. */
export const problems = {
  400: problem(400),
  401: problem(401),
  403: problem(403),
  429: problem(429),
  503: problem(503),
}
/** … of one that names something … */
export const problemsOfOne = { ...problems, 404: problem(404) }
/** … and of one that changes something. */
export const problemsOfChange = { ...problemsOfOne, 409: problem(409), 413: problem(413) }

/** Every operation wants a token. */
export const security = [{ token: [] }]

export const batchPath = z.object({
  id: z.uuid('is not a batch id').openapi({ param: { name: 'id', in: 'path' } }),
})

export const workflowPath = z.object({
  name: z.string().openapi({ param: { name: 'name', in: 'path' }, example: 'agent-welcome' }),
})

/** @throws HttpError 404 */
export function workflowNamed(workflows: readonly Workflow[], name: string): Workflow {
  const workflow = workflows.find((candidate) => candidate.name === name)
  if (workflow === undefined) throw notFound(`workflow ${name}`)
  return workflow
}

/** A JSON body. `jsonOnly` makes `{}` of an absent one. */
export const body = <Schema extends z.ZodType>(schema: Schema) => ({
  body: {
    content: { 'application/json': { schema } },
    required: !schema.safeParse({}).success,
    description: 'An absent or empty body is taken for `{}`.',
  },
})

/** Somebody knows what it means to do again what is not safe to be done again. */
export const confirm = z.boolean().default(false).openapi({
  description:
    'Needed where a workflow is not `replaySafe` and somebody may get something again: 409 says how many',
})

/** @throws HttpError 409 that says how many would get a second mail or charge, unless that was confirmed. */
export async function confirmed(
  { name, replaySafe }: Workflow,
  confirm: boolean,
  count: () => Promise<number>,
): Promise<void> {
  if (replaySafe || confirm) return
  const again = await count()
  if (again === 0) return
  throw conflict(
    `${name} is not safe to be done again: ${again} item(s) may get a second mail or charge; send confirm: true if that is meant`,
    { again, confirm: true },
  )
}

export const itemId = z.string().min(1).max(500)

/** Why somebody changes something; it is logged with the change. */
export const reason = z.string().min(1).max(500).optional()
export const reasonBody = z.strictObject({ reason }).openapi('Reason')

export const limitQuery = z.coerce.number().int().min(1).max(200).default(50)

/** The same key does the same thing once. */
export const idempotencyHeader = z.object({
  'idempotency-key': z
    .string()
    .min(1)
    .max(200)
    .optional()
    .openapi({ description: 'The same key does the same thing once, however often it is sent.' }),
})

/** Any JSON value. Its types are named, because a recursive schema without a name cannot be described. */
export const anyJson = z
  .json()
  .openapi({ type: ['object', 'array', 'string', 'number', 'boolean', 'null'], description: 'Any JSON' })

/** For answers. `nullable()` would make every use of a named schema nullable in the document, or none. */
export const orNull = <Schema extends z.ZodType>(schema: Schema) => z.union([schema, z.null()])

/** A page of a list: `nextCursor` is null on the last one. */
export const listOf = <Schema extends z.ZodType>(schema: Schema) =>
  z.object({ data: z.array(schema), nextCursor: z.string().nullable() })

/** Shows a page of a list of which one row more than `limit` was read. */
export function page<Row, Resource>(
  rows: Row[],
  limit: number,
  resource: (row: Row) => Resource,
  cursor: (shown: Resource) => string,
) {
  const data = rows.slice(0, limit).map(resource)
  const last = data.at(-1)
  return { data, nextCursor: rows.length > limit && last !== undefined ? cursor(last) : null }
}
