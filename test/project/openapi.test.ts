import { Validator } from '@seriousme/openapi-schema-validator'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { servicesOf } from '../../src/engine/services.ts'
import { createApp } from '../../src/http/app.ts'
import { registry } from '../../src/workflows/registry.ts'

const bindings = {
  APP_URL: 'https://rounds.example',
  ENVIRONMENT: 'test',
  ADMIN_TOKEN: 'nobody-may-know-it',
  DATABASE_URL: 'postgres://user:password@db.example/rounds',
  UPSTASH_REDIS_REST_URL: 'https://redis.example',
  UPSTASH_REDIS_REST_TOKEN: 'token',
  QSTASH_URL: 'https://qstash.example',
  QSTASH_TOKEN: 'token',
  QSTASH_CURRENT_SIGNING_KEY: 'current',
  QSTASH_NEXT_SIGNING_KEY: 'next',
  AI_BASE_URL: 'https://model.example',
  AI_API_KEY: 'key',
  AI_MODEL: 'model',
}

const served = await createApp(registry, servicesOf).request('/openapi.json', {}, bindings)
const document = z.record(z.string(), z.json()).parse(await served.json())

const described = z.object({
  operationId: z.string(),
  summary: z.string().min(1),
  tags: z.array(z.string()).min(1),
  parameters: z.array(z.object({ name: z.string(), in: z.string() })).default([]),
})
const { paths, tags, components, servers } = z
  .object({
    paths: z.record(z.string(), z.record(z.string(), described)),
    tags: z.array(z.object({ name: z.string(), description: z.string().min(1) })),
    components: z.object({ schemas: z.record(z.string(), z.record(z.string(), z.json())) }),
    servers: z.array(z.object({ url: z.string() })),
  })
  .parse(document)
const operations = Object.values(paths).flatMap((methods) => Object.values(methods))

describe('the OpenAPI document', () => {
  test('is valid OpenAPI 3.1', async () => {
    const validator = new Validator()
    const { valid, errors } = await validator.validate(structuredClone(document))
    expect(errors).toBeUndefined()
    expect(valid).toBe(true)
    expect(validator.version).toBe('3.1')
  })

  test('says where the Worker is', () => {
    expect(servers).toEqual([{ url: bindings.APP_URL }])
  })

  test('gives each operation a name of its own, in camelCase, and a tag that is explained', () => {
    const ids = operations.map(({ operationId }) => operationId)
    expect(ids.length).toBeGreaterThan(20)
    expect(ids.filter((id, n) => ids.indexOf(id) !== n || !/^[a-z]+([A-Z][a-z]+)*$/.test(id))).toEqual([])
    const used = new Set(operations.flatMap((operation) => operation.tags))
    expect([...used].toSorted()).toEqual(tags.map(({ name }) => name).toSorted())
  })

  test('lets whatever starts work be asked for again with an Idempotency-Key', () => {
    const keyed = operations.filter(({ parameters }) =>
      parameters.some((parameter) => parameter.in === 'header' && parameter.name === 'idempotency-key'),
    )
    expect(keyed.map(({ operationId }) => operationId).toSorted()).toEqual([
      'createSample',
      'resumeBatch',
      'retryFailed',
      'startBatch',
      'startItem',
    ])
  })

  // The generator makes a named schema itself nullable when its first use is, and forbids null where a later one is.
  test('has no named schema that is null, and refers to none with a null beside it', () => {
    const nullable = Object.entries(components.schemas).filter(([, { type }]) => allowsNull(type))
    expect(nullable.map(([name]) => name)).toEqual([])
    expect(JSON.stringify(document)).not.toMatch(/"allOf":\[\{"\$ref":"[^"]*"\},\{"type":\[[^\]]*"null"/)
  })

  test('has no two schemas that are alike and of more than a few fields', () => {
    const seen = new Map<string, string[]>()
    visit(document, '#', (schema, at) => {
      const fields = Object.keys(
        z.object({ properties: z.record(z.string(), z.json()) }).safeParse(schema).data?.properties ?? {},
      )
      if (fields.length < 5) return
      const text = JSON.stringify(schema)
      seen.set(text, [...(seen.get(text) ?? []), at])
    })
    expect([...seen.values()].filter((places) => places.length > 1)).toEqual([])
  })
})

const allowsNull = (type: unknown) => Array.isArray(type) && type.includes('null')

function visit(value: unknown, at: string, look: (value: unknown, at: string) => void): void {
  if (typeof value !== 'object' || value === null) return
  look(value, at)
  for (const [key, child] of Object.entries(value)) visit(child, `${at}/${key}`, look)
}
