import { z } from 'zod'
import { StripeError } from './stripe-error.ts'

const flag = z.enum(['true', 'false']).transform((text) => text === 'true')

const createSchema = z.strictObject({
  amount: z
    .string()
    .regex(/^[1-9]\d{0,7}$/)
    .transform(Number),
  currency: z.string().regex(/^[a-z]{3}$/),
  customer: z.string().min(1).optional(),
  payment_method: z.string().min(1).optional(),
  'payment_method_types[0]': z.literal('card').optional(),
  'automatic_payment_methods[enabled]': flag.optional(),
  'automatic_payment_methods[allow_redirects]': z.enum(['always', 'never']).optional(),
  description: z.string().max(1000).optional(),
  confirm: z.literal('false').optional(),
})
const confirmSchema = z.strictObject({ off_session: flag.default(false) })
const cancelSchema = z.strictObject({})
const refundSchema = z.strictObject({ payment_intent: z.string().min(1) })

/** The body of `POST /v1/payment_intents`, as far as it is used here. */
export type CreateRequest = z.infer<typeof createSchema>

export const parseCreate = (form: string) => parse(createSchema, form)
export const parseConfirm = (form: string) => parse(confirmSchema, form)
export const parseCancel = (form: string) => parse(cancelSchema, form)
export const parseRefund = (form: string) => parse(refundSchema, form)

/** @throws StripeError 400 that names the first parameter that is wrong; nothing is kept of such a request. */
function parse<T>(schema: z.ZodType<T>, form: string): T {
  const given = Object.fromEntries(new URLSearchParams(form))
  const parsed = schema.safeParse(given)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  if (issue?.code === 'unrecognized_keys') {
    const param = issue.keys[0] ?? ''
    throw new StripeError(400, `Received unknown parameter: ${param}`, { code: 'parameter_unknown', param })
  }
  const param = String(issue?.path[0] ?? '')
  if (!Object.hasOwn(given, param)) {
    throw new StripeError(400, `Missing required param: ${param}.`, { code: 'parameter_missing', param })
  }
  throw new StripeError(400, `Invalid ${param}`, { code: 'parameter_invalid', param })
}
