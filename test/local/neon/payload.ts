import { z } from 'zod'
import { NeonError } from './neon-error.ts'

const querySchema = z.object({
  query: z.string(),
  params: z
    .array(z.json())
    .default([])
    .transform((params) => params.map(toText)),
  arrayMode: z.boolean().optional(),
})

const payloadSchema = z.union([z.object({ queries: z.array(querySchema) }), querySchema])

/** One SQL statement; its parameters are Postgres text. */
export type Query = z.infer<typeof querySchema>

/** The body of `POST /sql`: one query, or several that form a transaction. */
export type Payload = z.infer<typeof payloadSchema>

/** @throws NeonError 400 when the text is not JSON or not a payload. */
export function parsePayload(text: string): Payload {
  try {
    return payloadSchema.parse(JSON.parse(text))
  } catch (error) {
    const reason = error instanceof z.ZodError ? z.prettifyError(error) : String(error)
    throw new NeonError(400, { message: `could not parse the HTTP request body: ${reason}` })
  }
}

type Json = z.infer<ReturnType<typeof z.json>>

function toText(value: Json): string | null {
  if (value === null || typeof value === 'string') return value
  return Array.isArray(value) ? toArrayText(value) : JSON.stringify(value)
}

/** A Postgres array literal: its strings are quoted as JSON's are, its objects are strings of JSON. */
function toArrayText(value: Json): string {
  if (value === null) return 'NULL'
  if (Array.isArray(value)) return `{${value.map(toArrayText).join(',')}}`
  return JSON.stringify(typeof value === 'object' ? JSON.stringify(value) : value)
}
