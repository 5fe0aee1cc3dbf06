import type { Reply } from './idempotency-keys.ts'
import type { FaultRule } from './request-faults.ts'

type Asked = {
  rule: FaultRule | undefined
  /** Waits so many milliseconds. */
  wait: (ms: number) => Promise<void>
  /** Does the work unless the service knows the request's answer, or has a reason to refuse it. */
  once: (work: () => Promise<Reply>) => Promise<Reply>
  act: () => Reply
  /** The service's own error of this status. */
  error: (status: number) => Reply
}

/** Answers a request, with the fault that a rule asks for. */
export async function answerUnderFault({ rule, wait, once, act, error }: Asked): Promise<Reply> {
  const delayMs = rule?.delayMs ?? 0
  const failure = rule && failureOf(rule, error)
  if (failure && !rule.acts && !rule.stored) {
    await wait(delayMs)
    return failure
  }
  const reply = await once(async () => {
    await wait(delayMs)
    if (failure === undefined || !rule?.stored) return act()
    if (rule.acts) act()
    return failure
  })
  if (rule?.malformed) return { status: 200, body: { unexpected: true }, kept: false }
  return rule?.stored ? reply : (failure ?? reply)
}

function failureOf(rule: FaultRule, error: (status: number) => Reply): Reply | undefined {
  const status = rule.status ?? (rule.acts || rule.stored ? 500 : undefined)
  if (status === undefined) return undefined
  const seconds = rule.retryAfterSeconds
  const headers: Record<string, string> = seconds === undefined ? {} : { 'retry-after': String(seconds) }
  return { ...error(status), headers, kept: rule.stored }
}
