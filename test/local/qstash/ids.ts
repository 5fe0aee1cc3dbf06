import { randomUUID } from 'node:crypto'

type Prefix = 'msg' | 'wfr' | 'dlq' | 'jwt' | 'dlv'

/** A random id such as `msg_1f0c…`. */
export const newId = (prefix: Prefix): string => `${prefix}_${randomUUID().replaceAll('-', '')}`
