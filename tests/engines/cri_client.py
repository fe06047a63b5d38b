"""The Kubernetes side of a CRI socket, as far as the engine tests go: one call for each run.

    cri_client.py SOCKET METHOD < request.json > response.json

The messages are those of runtime.v1 in cri-api, with the fields that the tests use. A failed call is its status and
details on standard error, and exit code 1.
"""
import json
import sys

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

# message: field number:type[*] ... ; * is repeated, a capital letter a message.
MESSAGES = """
VersionRequest              version=1:string
VersionResponse             version=1:string runtime_name=2:string runtime_version=3:string runtime_api_version=4:string
StatusRequest               verbose=1:bool
StatusResponse              status=1:RuntimeStatus
RuntimeStatus               conditions=1:RuntimeCondition*
RuntimeCondition            type=1:string status=2:bool reason=3:string message=4:string
Int64Value                  value=1:int64
UInt64Value                 value=1:uint64
PodSandboxMetadata          name=1:string uid=2:string namespace=3:string attempt=4:uint32
NamespaceOption             network=1:int32 pid=2:int32 ipc=3:int32 target_id=4:string
LinuxSandboxSecurityContext namespace_options=1:NamespaceOption
LinuxPodSandboxConfig       cgroup_parent=1:string security_context=2:LinuxSandboxSecurityContext
PodSandboxConfig            metadata=1:PodSandboxMetadata hostname=2:string log_directory=3:string linux=8:LinuxPodSandboxConfig
RunPodSandboxRequest        config=1:PodSandboxConfig runtime_handler=2:string
RunPodSandboxResponse       pod_sandbox_id=1:string
StopPodSandboxRequest       pod_sandbox_id=1:string
StopPodSandboxResponse
RemovePodSandboxRequest     pod_sandbox_id=1:string
RemovePodSandboxResponse
PodSandboxStatusRequest     pod_sandbox_id=1:string verbose=2:bool
PodSandboxStatusResponse    status=1:PodSandboxStatus
PodSandboxStatus            id=1:string state=3:int32 network=5:PodSandboxNetworkStatus
PodSandboxNetworkStatus     ip=1:string
ContainerMetadata           name=1:string attempt=2:uint32
ImageSpec                   image=1:string
KeyValue                    key=1:string value=2:string
Mount                       container_path=1:string host_path=2:string readonly=3:bool selinux_relabel=4:bool propagation=5:int32
Capability                  add_capabilities=1:string* drop_capabilities=2:string*
SecurityProfile             profile_type=1:int32 localhost_ref=2:string
LinuxContainerSecurityContext capabilities=1:Capability privileged=2:bool namespace_options=3:NamespaceOption run_as_user=5:Int64Value readonly_rootfs=7:bool supplemental_groups=8:int64* no_new_privs=11:bool run_as_group=12:Int64Value masked_paths=13:string* readonly_paths=14:string* seccomp=15:SecurityProfile
LinuxContainerResources     cpu_period=1:int64 cpu_quota=2:int64 cpu_shares=3:int64 memory_limit_in_bytes=4:int64 oom_score_adj=5:int64
LinuxContainerConfig        resources=1:LinuxContainerResources security_context=2:LinuxContainerSecurityContext
ContainerConfig             metadata=1:ContainerMetadata image=2:ImageSpec command=3:string* args=4:string* working_dir=5:string envs=6:KeyValue* mounts=7:Mount* log_path=11:string stdin=12:bool tty=14:bool linux=15:LinuxContainerConfig
CreateContainerRequest      pod_sandbox_id=1:string config=2:ContainerConfig sandbox_config=3:PodSandboxConfig
CreateContainerResponse     container_id=1:string
StartContainerRequest       container_id=1:string
StartContainerResponse
StopContainerRequest        container_id=1:string timeout=2:int64
StopContainerResponse
RemoveContainerRequest      container_id=1:string
RemoveContainerResponse
ContainerStatusRequest      container_id=1:string verbose=2:bool
ContainerStatusResponse     status=1:ContainerStatus
ContainerStatus             id=1:string state=3:int32 exit_code=7:int32 reason=10:string message=11:string
ExecSyncRequest             container_id=1:string cmd=2:string* timeout=3:int64
ExecSyncResponse            stdout=1:bytes stderr=2:bytes exit_code=3:int32
UpdateContainerResourcesRequest container_id=1:string linux=2:LinuxContainerResources
UpdateContainerResourcesResponse
ContainerStatsRequest       container_id=1:string
ContainerStatsResponse      stats=1:ContainerStats
ContainerStats              cpu=2:CpuUsage memory=3:MemoryUsage
CpuUsage                    timestamp=1:int64 usage_core_nano_seconds=2:UInt64Value
MemoryUsage                 timestamp=1:int64 working_set_bytes=2:UInt64Value
ListContainersRequest
ListContainersResponse      containers=1:ContainerStatus*
ListPodSandboxRequest
ListPodSandboxResponse      items=1:PodSandboxStatus*
"""


def messages():
    """The classes of MESSAGES by name."""
    kind = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="cri.proto", package="runtime.v1", syntax="proto3")
    for line in MESSAGES.strip().splitlines():
        name, *fields = line.split()
        message = file.message_type.add(name=name)
        for text in fields:
            field, rest = text.split("=")
            number, of = rest.split(":")
            label = kind.LABEL_REPEATED if of.endswith("*") else kind.LABEL_OPTIONAL
            of = of.rstrip("*")
            added = message.field.add(name=field, number=int(number), label=label)
            if of[0].isupper():
                added.type, added.type_name = kind.TYPE_MESSAGE, ".runtime.v1." + of
            else:
                added.type = getattr(kind, "TYPE_" + of.upper())
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    # Named differently before and after protobuf 4.22.
    of = getattr(message_factory, "GetMessageClass", None) or message_factory.MessageFactory(pool).GetPrototype
    return lambda name: of(pool.FindMessageTypeByName("runtime.v1." + name))


def main():
    socket, method = sys.argv[1:]
    of = messages()
    request = json_format.ParseDict(json.load(sys.stdin), of(method + "Request")())
    with grpc.insecure_channel("unix://" + socket) as channel:
        call = channel.unary_unary(
            "/runtime.v1.RuntimeService/" + method,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=of(method + "Response").FromString,
        )
        try:
            response = call(request, timeout=20)
        except grpc.RpcError as error:
            sys.exit(f"{method}: {error.code().name}: {error.details()}")
    print(json_format.MessageToJson(response, preserving_proto_field_name=True))


main()
