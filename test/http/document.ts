import { createExecutionContext } from 'cloudflare:test'
import { expect } from 'vitest'
import { z } from 'zod'
import { servicesOf } from '../../src/engine/services.ts'
import { createApp } from '../../src/http/app.ts'
import { registry } from '../../src/workflows/registry.ts'
import { lane } from '../support/lane.ts'

/** A JSON schema, or a part of one. */
export const schemaOf = z.record(z.string(), z.json())
type Schema = z.output<typeof schemaOf>

const operationSchema = z.object({
  operationId: z.string(),
  security: z.array(z.unknown()).optional(),
  requestBody: z.unknown().optional(),
  parameters: z.array(z.object({ name: z.string(), in: z.string() })).default([]),
  responses: z.record(
    z.string(),
    z.object({ content: z.record(z.string(), z.object({ schema: schemaOf })).optional() }),
  ),
})

const documentSchema = z.object({
  paths: z.record(z.string(), z.record(z.string(), operationSchema)),
  components: z.object({ schemas: z.record(z.string(), schemaOf) }),
})

export type Operation = z.output<typeof operationSchema> & { method: string; path: string; isAdmin: boolean }

const served = await createApp(registry, servicesOf).fetch(
  new Request('https://rounds.test/openapi.json'),
  lane.bindings,
  createExecutionContext(),
)
const { paths, components } = documentSchema.parse(await served.json())

/** Every operation that the Worker's own document describes. */
export const operations: Operation[] = Object.entries(paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) =>
    Object.assign(operation, {
      method: method.toUpperCase(),
      path,
      isAdmin: path.startsWith('/api/admin/'),
    }),
  ),
)

/** Those that want a token. */
export const adminOperations = operations.filter(({ isAdmin }) => isAdmin)

const componentPath = '#/components/schemas/'

/** Where a schema says nothing of further fields, there are none; parts of one object become that object. */
function closed(schema: Schema): Schema {
  const { allOf, ...rest } = schema
  if (Array.isArray(allOf)) {
    const parts = [...allOf, rest].map((part) => dereferenced(schemaOf.parse(part)))
    const fields = z.object({ properties: schemaOf.default({}), required: z.array(z.json()).default([]) })
    const objects = parts.map((part) => fields.parse(part))
    return closed({
      type: 'object',
      properties: Object.assign({}, ...objects.map(({ properties }) => properties)),
      required: objects.flatMap(({ required }) => required),
    })
  }
  const children = Object.entries(schema).map(([key, value]) => [key, closedValue(value)])
  const isObject = schema.properties !== undefined && schema.additionalProperties === undefined
  return schemaOf.parse({
    ...Object.fromEntries(children),
    ...(isObject ? { additionalProperties: false } : {}),
  })
}

function closedValue(value: z.output<ReturnType<typeof z.json>>): unknown {
  if (Array.isArray(value)) return value.map((one) => closedValue(one))
  return typeof value === 'object' && value !== null ? closed(value) : value
}

/** What a reference to a named schema refers to, or the schema itself. */
export function dereferenced(schema: Schema): Schema {
  const { $ref } = schema
  if (typeof $ref !== 'string') return schema
  const component = components.schemas[$ref.slice(componentPath.length)]
  if (component === undefined) throw new Error(`the document has no ${$ref}`)
  return closed(component)
}

const validators = new Map<Schema, z.ZodType>()

function validatorOf(schema: Schema): z.ZodType {
  const known = validators.get(schema)
  if (known !== undefined) return known
  const defs = Object.entries(components.schemas).map(([name, component]) => [name, closed(component)])
  const text = JSON.stringify({ ...closed(schema), $defs: Object.fromEntries(defs) })
  const made = z.fromJSONSchema(schemaOf.parse(JSON.parse(text.replaceAll(componentPath, '#/$defs/'))))
  validators.set(schema, made)
  return made
}

/**
 * Checks that an operation may answer so: with this status, in this media type, and, in JSON, with a body that is what
 * the document says and has no field of which it does not speak.
 */
export function expectDocumented(operation: Operation, answer: Response, body: unknown): void {
  const { operationId, responses } = operation
  const response = responses[String(answer.status)]
  expect(response, `${operationId} may not answer ${answer.status}: ${JSON.stringify(body)}`).toBeDefined()
  if (response?.content === undefined) {
    expect(body, `${operationId} answers ${answer.status} without a body`).toBe('')
    return
  }
  const [mediaType] = (answer.headers.get('content-type') ?? '').split(';')
  expect(Object.keys(response.content)).toContain(mediaType)
  const schema = response.content[mediaType ?? '']?.schema
  if (schema === undefined || mediaType !== 'application/json') return
  const { error } = validatorOf(schema).safeParse(body)
  expect(error?.issues, `${operationId} ${answer.status}: ${JSON.stringify(body)}`).toBeUndefined()
}
