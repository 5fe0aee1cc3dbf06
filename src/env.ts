import { z } from 'zod'
import { unavailable } from './errors.ts'

const url = z.url({ protocol: /^https?$/ }).transform((value) => value.replace(/\/+$/, ''))
const origin = z
  .url({ protocol: /^https?$/ })
  .refine((text) => `${URL.parse(text)?.pathname}${URL.parse(text)?.search}` === '/', 'is not https://host')
  .transform((text) => URL.parse(text)?.origin ?? text)
/** A key as a header can carry it: what cannot be sent would be quoted in an error, or in the log by the runtime. */
const headerSecret = z.string().regex(/^[\x21-\x7e]+$/)
const postgresUrl = z.string().refine((text) => {
  const parsed = URL.parse(text)
  return (
    parsed !== null &&
    /^postgres(ql)?:$/.test(parsed.protocol) &&
    [parsed.username, parsed.password, parsed.hostname].every((part) => part !== '') &&
    parsed.pathname.length > 1
  )
}, 'is not postgres://user:password@host/database')

/** Every binding the Worker reads. Keep `.dev.vars.example` in step; a test compares them. */
export const envSchema = z.object({
  /** Where QStash reaches this Worker; signatures are checked against it. */
  APP_URL: origin,
  /** Name of the deployment; part of run ids, labels and flow-control keys, so that two never share one. */
  ENVIRONMENT: z.string().regex(/^[a-zA-Z0-9._-]+$/),
  /** At least 16 visible ASCII characters, as a header can carry them. */
  ADMIN_TOKEN: z.string().regex(/^[\x21-\x7e]{16,}$/),
  DATABASE_URL: postgresUrl,
  /** SQL-over-HTTP endpoint; absent: the one Neon derives from the host in DATABASE_URL. */
  DATABASE_HTTP_URL: url.optional(),
  UPSTASH_REDIS_REST_URL: url,
  UPSTASH_REDIS_REST_TOKEN: headerSecret,
  QSTASH_URL: url,
  QSTASH_TOKEN: headerSecret,
  QSTASH_CURRENT_SIGNING_KEY: z.string().min(1),
  QSTASH_NEXT_SIGNING_KEY: z.string().min(1),
  /** OpenAI-compatible API, for example https://api.openai.com/v1. */
  AI_BASE_URL: url,
  AI_API_KEY: headerSecret,
  AI_MODEL: z.string().min(1),
  /** `json_object` for models that cannot take a JSON schema. */
  AI_RESPONSE_FORMAT: z.enum(['json_schema', 'json_object']).default('json_schema'),
  /** Dollars for a million tokens of AI_MODEL; without both, nothing is said of dollars and no budget may be in them. */
  AI_INPUT_USD_PER_MILLION: z.coerce.number().min(0).optional(),
  AI_OUTPUT_USD_PER_MILLION: z.coerce.number().min(0).optional(),
  /** An API like Resend's. Mail can be sent when both MAIL_API_KEY and MAIL_FROM are set. */
  MAIL_URL: url.default('https://api.resend.com'),
  MAIL_API_KEY: headerSecret.optional(),
  /** The sender: `mail@example.com` or `Name <mail@example.com>`. */
  MAIL_FROM: z.string().min(1).optional(),
  /** An API like Stripe's. Payments can be made when PAYMENTS_API_KEY is set. */
  PAYMENTS_URL: url.default('https://api.stripe.com'),
  PAYMENTS_API_KEY: headerSecret.optional(),
  /** Multiplies every parallelism and rate; 1 keeps the definitions' limits. */
  FLOW_CONTROL_FACTOR: z.coerce.number().positive().default(1),
})

export type Env = z.output<typeof envSchema>

/**
 * The validated environment; an empty variable counts as missing.
 *
 * @throws HttpError 503 that names (never shows) every binding that is missing or malformed.
 */
export function parseEnv(bindings: unknown): Env {
  const set = Object.entries(Object(bindings)).filter(([, value]) => value !== '')
  const parsed = envSchema.safeParse(Object.fromEntries(set))
  if (parsed.success) return parsed.data
  const names = [...new Set(parsed.error.issues.map((issue) => issue.path.join('.')))]
  throw unavailable(`not configured: ${names.join(', ')} missing or malformed`, { variables: names })
}
