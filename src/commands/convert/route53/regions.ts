/** Where the regions of AWS are, about: cities as AWS names them, in degrees. */
import type { Location } from '../../../controlplane/model/pool.ts'

const regions: Readonly<Record<string, readonly [latitude: number, longitude: number]>> = {
  'af-south-1': [-33.9, 18.4],
  'ap-east-1': [22.3, 114.2],
  'ap-northeast-1': [35.7, 139.7],
  'ap-northeast-2': [37.6, 127],
  'ap-northeast-3': [34.7, 135.5],
  'ap-south-1': [19.1, 72.9],
  'ap-south-2': [17.4, 78.5],
  'ap-southeast-1': [1.3, 103.8],
  'ap-southeast-2': [-33.9, 151.2],
  'ap-southeast-3': [-6.2, 106.8],
  'ap-southeast-4': [-37.8, 145],
  'ca-central-1': [45.5, -73.6],
  'ca-west-1': [51, -114.1],
  'eu-central-1': [50.1, 8.7],
  'eu-central-2': [47.4, 8.5],
  'eu-north-1': [59.3, 18.1],
  'eu-south-1': [45.5, 9.2],
  'eu-south-2': [41.6, -0.9],
  'eu-west-1': [53.3, -6.3],
  'eu-west-2': [51.5, -0.1],
  'eu-west-3': [48.9, 2.4],
  'il-central-1': [32.1, 34.8],
  'me-central-1': [24.5, 54.4],
  'me-south-1': [26.1, 50.6],
  'sa-east-1': [-23.5, -46.6],
  'us-east-1': [38.9, -77.4],
  'us-east-2': [40, -83],
  'us-west-1': [37.4, -121.9],
  'us-west-2': [45.8, -119.7],
}

/** Null for one that is not known. */
export function locationOfRegion(region: string): Location | null {
  if (!Object.hasOwn(regions, region)) return null
  const [latitude, longitude] = regions[region]!
  return { latitude, longitude }
}
