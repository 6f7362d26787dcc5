// The data of a secret as a person writes it.

import { parseDocument } from 'yaml'
import type { BodyOf } from '../../contract/route.ts'
import type { ApiRoutes } from '../../contract/routes.ts'
import { SlipwayError } from '../../lib/errors.ts'

type SecretData = BodyOf<ApiRoutes['createProjectSecret']>['data']

/** Values are texts as they are written: 1.10 stays 1.10. Errors: `usage`, which quotes nothing of a value. */
export function parseSecretData(text: string, file: string): SecretData {
  const document = parseDocument(text, { schema: 'failsafe', uniqueKeys: true, prettyErrors: false })
  if (document.errors.length > 0) throw new SlipwayError('usage', `${file} is not YAML: ${document.errors[0]!.code}`)
  const data = document.toJS({ maxAliasCount: 0 }) as unknown
  const isMapping = typeof data === 'object' && data !== null && !Array.isArray(data)
  if (!isMapping || Object.values(data).some((value) => typeof value !== 'string'))
    throw new SlipwayError('usage', `${file} is not a mapping of keys to texts`)
  return data as SecretData
}
