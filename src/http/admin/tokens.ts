import { createRoute, z } from '@hono/zod-openapi'
import { roles } from '../../db/schema.ts'
import { createToken, listTokens, revokeToken, type Token } from '../../engine/ledger/tokens.ts'
import { conflict, notFound } from '../../errors.ts'
import { askedBy, requireRole } from '../auth.ts'
import { body, createApi, json, problems, problemsOfChange, reason, reasonBody, security } from './api.ts'

const name = z
  .string()
  .regex(/^[a-zA-Z0-9][a-zA-Z0-9._@-]{0,63}$/)
  .refine((text) => !['admin_token', 'rounds'].includes(text.toLowerCase()), 'is taken')

const tokenSchema = z
  .object({ name: z.string(), role: z.enum(roles), createdAt: z.iso.datetime() })
  .openapi('Token')

const tokenResource = ({ name: called, role, createdAt }: Token): z.output<typeof tokenSchema> => ({
  name: called,
  role,
  createdAt: createdAt.toISOString(),
})

const list = createRoute({
  method: 'get',
  path: '/tokens',
  operationId: 'listTokens',
  summary: 'Who may use this API',
  tags: ['tokens'],
  security,
  responses: {
    200: json(z.object({ data: z.array(tokenSchema) }), 'The tokens, without secrets'),
    ...problems,
  },
})

const create = createRoute({
  method: 'post',
  path: '/tokens',
  operationId: 'createToken',
  summary: 'Make a token',
  description: 'Wants ADMIN_TOKEN. The token is shown this once; only its hash is kept.',
  tags: ['tokens'],
  security,
  middleware: requireRole('admin'),
  request: body(z.strictObject({ name, role: z.enum(roles), reason }).openapi('NewToken')),
  responses: {
    201: json(tokenSchema.extend({ token: z.string() }), 'The token'),
    ...problemsOfChange,
  },
})

const revoke = createRoute({
  method: 'delete',
  path: '/tokens/{name}',
  operationId: 'revokeToken',
  summary: 'Revoke a token',
  description: 'Wants ADMIN_TOKEN.',
  tags: ['tokens'],
  security,
  middleware: requireRole('admin'),
  request: { params: z.object({ name: z.string() }), ...body(reasonBody) },
  responses: { 204: { description: 'It lets nobody in any more' }, ...problemsOfChange },
})

export const tokenRoutes = () =>
  createApi()
    .openapi(list, async (c) => {
      const tokens = await listTokens(c.var.services.db)
      return c.json({ data: tokens.map(tokenResource) }, 200)
    })
    .openapi(create, async (c) => {
      const { reason: why, ...wanted } = c.req.valid('json')
      const by = askedBy(c.var.actor, { reason: why })
      const made = await createToken(c.var.services.db, wanted, by)
      if (made === undefined) throw conflict(`there is a token named ${wanted.name}`)
      c.header('cache-control', 'no-store')
      return c.json({ ...wanted, token: made.token, createdAt: made.createdAt.toISOString() }, 201)
    })
    .openapi(revoke, async (c) => {
      const { name: revoked } = c.req.valid('param')
      const by = askedBy(c.var.actor, c.req.valid('json'))
      if (!(await revokeToken(c.var.services.db, revoked, by))) throw notFound(`token ${revoked}`)
      return c.body(null, 204)
    })
