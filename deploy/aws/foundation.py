"""What cluster.yaml wants to find in an AWS account: a closed security group, two roles and their profiles.

python deploy/aws/foundation.py --region R --vpc VPC --bucket BUCKET [--prefix fleetward] [--cluster fleetward]
                                [--endpoint URL]

It makes what is missing, brings the policies of what is there to what the files beside it say, and prints the values
for the lines of cluster.yaml that start with FILL-IN. It opens nothing to the world: members of the group may talk to
each other, and nobody else may talk to them. Safe to repeat. Needs `boto3` and an administrator's credentials.
"""

from __future__ import annotations

import argparse
import json
import string
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

_HERE = Path(__file__).parent
_TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
_POLICIES = {"head": ("node", "head"), "worker": ("node",)}
"""By role, the files of its policies: a worker gets nothing on EC2."""


def main(argv: Sequence[str] | None = None) -> int:
    """Makes it and prints what to fill in."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--region", required=True)
    parser.add_argument("--vpc", required=True)
    parser.add_argument("--bucket", required=True)
    parser.add_argument("--prefix", default="fleetward")
    parser.add_argument("--cluster", default="fleetward")
    parser.add_argument("--endpoint", default=None, help="another service than AWS's own, to try it")
    options = parser.parse_args(argv)

    def client(service: str) -> Any:
        return boto3.client(service, region_name=options.region, endpoint_url=options.endpoint)

    group = security_group(client("ec2"), options.vpc, options.cluster)
    values = {
        "REGION": options.region,
        "ACCOUNT": client("sts").get_caller_identity()["Account"],
        "CLUSTER": options.cluster,
        "SECURITY_GROUP": group,
        "BUCKET": options.bucket,
        "PREFIX": options.prefix.strip("/"),
    }
    print(f"FILL-IN-security-group-nodes      {group}")
    for role in _POLICIES:
        print(f"FILL-IN-instance-profile-{role:<8} {instance_profile(client('iam'), role, values)}")
    return 0


def security_group(ec2: Any, vpc: str, cluster: str) -> str:
    """The nodes' group: its members may talk to each other, and nobody may talk to them."""
    name = f"{cluster}-nodes"
    chosen = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "group-name", "Values": [name]}]
    found = ec2.describe_security_groups(Filters=chosen)["SecurityGroups"]
    if found:
        group: str = found[0]["GroupId"]
    else:
        made = ec2.create_security_group(GroupName=name, VpcId=vpc, Description=f"Machines of {cluster}: closed")
        group = made["GroupId"]
    within = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}
    _unless("InvalidPermission.Duplicate", ec2.authorize_security_group_ingress, GroupId=group, IpPermissions=[within])
    return group


def instance_profile(iam: Any, role: str, values: Mapping[str, str]) -> str:
    """The profile of a role that holds the policies of its files and no other; its ARN."""
    name = f"{values['CLUSTER']}-{role}"
    there = "EntityAlreadyExists"
    _unless(there, iam.create_role, RoleName=name, AssumeRolePolicyDocument=json.dumps(_TRUST))
    for policy in _POLICIES[role]:
        iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=policy_text(policy, values))
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        if policy not in _POLICIES[role]:
            iam.delete_role_policy(RoleName=name, PolicyName=policy)
    _unless(there, iam.create_instance_profile, InstanceProfileName=name)
    profile = iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]
    if not profile["Roles"]:
        iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
    arn: str = profile["Arn"]
    return arn


def policy_text(policy: str, values: Mapping[str, str]) -> str:
    """The policy's file with the account's values. Raises ``KeyError`` for a placeholder that has none."""
    text = (_HERE / f"{policy}-policy.json").read_text()
    return string.Template(text).substitute(values)


def _unless(code: str, call: Any, **arguments: Any) -> None:
    """The call, whose error ``code`` says that what it makes is there already."""
    try:
        call(**arguments)
    except ClientError as error:
        if error.response["Error"]["Code"] != code:
            raise


if __name__ == "__main__":
    raise SystemExit(main())
