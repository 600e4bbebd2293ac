using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Tessera.Native;

/// <summary>The C ABI of native/, one declaration each.</summary>
internal static unsafe partial class Imports
{
    private const string Lib = Library.Name;

    static Imports() => RuntimeHelpers.RunClassConstructor(typeof(Library).TypeHandle);

    [LibraryImport(Lib, EntryPoint = "tessera_last_error")]
    internal static partial nint LastError();

    [LibraryImport(Lib, EntryPoint = "tessera_raise")]
    internal static partial int Raise(int what);

    [LibraryImport(Lib, EntryPoint = "tessera_free")]
    internal static partial void Free(void* memory);

    [LibraryImport(Lib, EntryPoint = "tessera_operator", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int Operator(string name, string overload, out nint result);

    [LibraryImport(Lib, EntryPoint = "tessera_call")]
    internal static partial int Call(nint op, Value* arguments, int count, Value* returns, int capacity, int* returned);

    [LibraryImport(Lib, EntryPoint = "tessera_operator_schema")]
    internal static partial int OperatorSchema(nint op, out nint text);

    [LibraryImport(Lib, EntryPoint = "tessera_all_schemas")]
    internal static partial int AllSchemas(out nint text);

    [LibraryImport(Lib, EntryPoint = "tessera_tensor_free")]
    internal static partial void TensorFree(nint handle);

    [LibraryImport(Lib, EntryPoint = "tessera_tensor_retain")]
    internal static partial void TensorRetain(nint handle);

    [LibraryImport(Lib, EntryPoint = "tessera_tensor_watch")]
    internal static partial void TensorWatch(nint handle);

    [LibraryImport(Lib, EntryPoint = "tessera_tensor_unwatch")]
    internal static partial void TensorUnwatch(nint handle);

    [LibraryImport(Lib, EntryPoint = "tessera_tensor_info")]
    internal static partial int TensorInfo(nint handle, TensorInfo* info);

    [LibraryImport(Lib, EntryPoint = "tessera_tensor_version")]
    internal static partial int TensorVersion(nint handle, out long version);

    [LibraryImport(Lib, EntryPoint = "tessera_tensor_from_memory")]
    internal static partial int TensorFromMemory(
        void* memory,
        long* sizes,
        long* strides,
        int dimensions,
        int dtype,
        delegate* unmanaged<void*, void> freed,
        void* context,
        out nint result
    );

    [LibraryImport(Lib, EntryPoint = "tessera_backward")]
    internal static partial int Backward(nint* outputs, int count, nint* gradients, int retainGraph, int createGraph);

    [LibraryImport(Lib, EntryPoint = "tessera_grad")]
    internal static partial int Grad(
        nint* outputs,
        int outputCount,
        nint* inputs,
        int inputCount,
        nint* gradients,
        int retainGraph,
        int createGraph,
        int allowUnused,
        nint* results
    );

    [LibraryImport(Lib, EntryPoint = "tessera_get_gradient")]
    internal static partial int GetGradient(nint tensor, out nint result);

    [LibraryImport(Lib, EntryPoint = "tessera_set_gradient")]
    internal static partial int SetGradient(nint tensor, nint gradient);

    [LibraryImport(Lib, EntryPoint = "tessera_set_requires_grad")]
    internal static partial int SetRequiresGrad(nint tensor, int value);

    [LibraryImport(Lib, EntryPoint = "tessera_function_new")]
    internal static partial int FunctionNew(
        nint* inputs,
        int count,
        delegate* unmanaged<void*, nint, nint*, int, byte*, nint*, int, int> backward,
        delegate* unmanaged<void*, void> released,
        void* context,
        out nint node
    );

    [LibraryImport(Lib, EntryPoint = "tessera_function_outputs")]
    internal static partial int FunctionOutputs(nint node, nint* outputs, int count);

    [LibraryImport(Lib, EntryPoint = "tessera_function_save")]
    internal static partial int FunctionSave(nint node, nint tensor, int isOutput);

    [LibraryImport(Lib, EntryPoint = "tessera_function_release")]
    internal static partial void FunctionRelease(nint node);

    [LibraryImport(Lib, EntryPoint = "tessera_function_saved")]
    internal static partial int FunctionSaved(nint node, int index, out nint result);

    [LibraryImport(Lib, EntryPoint = "tessera_add_hook")]
    internal static partial int AddHook(
        nint tensor,
        delegate* unmanaged<void*, nint, nint*, int> hook,
        delegate* unmanaged<void*, void> released,
        void* context,
        out uint id
    );

    [LibraryImport(Lib, EntryPoint = "tessera_remove_hook")]
    internal static partial int RemoveHook(nint tensor, uint id);

    [LibraryImport(Lib, EntryPoint = "tessera_grad_mode")]
    internal static partial int GradMode();

    [LibraryImport(Lib, EntryPoint = "tessera_set_grad_mode")]
    internal static partial void SetGradMode(int enabled);

    [LibraryImport(Lib, EntryPoint = "tessera_enter_inference")]
    internal static partial nint EnterInference();

    [LibraryImport(Lib, EntryPoint = "tessera_leave_inference")]
    internal static partial void LeaveInference(nint guard);

    [LibraryImport(Lib, EntryPoint = "tessera_set_autocast")]
    internal static partial int SetAutocast(int cuda, int enabled, int dtype, out int wasEnabled, out int wasType);

    [LibraryImport(Lib, EntryPoint = "tessera_autocast_enter")]
    internal static partial void AutocastEnter();

    [LibraryImport(Lib, EntryPoint = "tessera_autocast_leave")]
    internal static partial void AutocastLeave();

    [LibraryImport(Lib, EntryPoint = "tessera_generator")]
    internal static partial int Generator(long device, ulong seed, out nint result);

    [LibraryImport(Lib, EntryPoint = "tessera_generator_free")]
    internal static partial void GeneratorFree(nint generator);

    [LibraryImport(Lib, EntryPoint = "tessera_generator_seed")]
    internal static partial int GeneratorSeed(nint generator, ulong seed);

    [LibraryImport(Lib, EntryPoint = "tessera_generator_get_state")]
    internal static partial int GeneratorGetState(nint generator, out nint state);

    [LibraryImport(Lib, EntryPoint = "tessera_generator_set_state")]
    internal static partial int GeneratorSetState(nint generator, nint state);

    [LibraryImport(Lib, EntryPoint = "tessera_threads")]
    internal static partial int Threads();

    [LibraryImport(Lib, EntryPoint = "tessera_set_threads")]
    internal static partial int SetThreads(int count);

    [LibraryImport(Lib, EntryPoint = "tessera_set_interop_threads")]
    internal static partial int SetInteropThreads(int count);

    [LibraryImport(Lib, EntryPoint = "tessera_set_deterministic")]
    internal static partial int SetDeterministic(int enabled, int warnOnly);

    [LibraryImport(Lib, EntryPoint = "tessera_deterministic")]
    internal static partial int Deterministic();

    [LibraryImport(Lib, EntryPoint = "tessera_set_tf32")]
    internal static partial int SetTf32(int allowed);

    [LibraryImport(Lib, EntryPoint = "tessera_keep_freed_memory")]
    internal static partial void KeepFreedMemory(long largestBlock);

    [LibraryImport(Lib, EntryPoint = "tessera_release_freed_memory")]
    internal static partial void ReleaseFreedMemory();

    [LibraryImport(Lib, EntryPoint = "tessera_torch_version")]
    internal static partial nint TorchVersion();

    [LibraryImport(Lib, EntryPoint = "tessera_build_info")]
    internal static partial int BuildInfo(out nint text);

    [LibraryImport(Lib, EntryPoint = "tessera_has_mkldnn")]
    internal static partial int HasMkldnn();

    [LibraryImport(Lib, EntryPoint = "tessera_cuda_devices")]
    internal static partial int CudaDevices(out int count);

    [LibraryImport(Lib, EntryPoint = "tessera_cuda_synchronize")]
    internal static partial int CudaSynchronize(int device);

    [LibraryImport(Lib, EntryPoint = "tessera_cuda_memory")]
    internal static partial int CudaMemory(int device, out long allocated, out long peak, out long reserved);

    [LibraryImport(Lib, EntryPoint = "tessera_cuda_reset_peak")]
    internal static partial int CudaResetPeak(int device);

    [LibraryImport(Lib, EntryPoint = "tessera_cuda_empty_cache")]
    internal static partial int CudaEmptyCache();

    [LibraryImport(Lib, EntryPoint = "tessera_cuda_graph_new")]
    internal static partial int CudaGraphNew(int device, out nint graph);

    [LibraryImport(Lib, EntryPoint = "tessera_cuda_graph_free")]
    internal static partial int CudaGraphFree(nint graph);

    [LibraryImport(Lib, EntryPoint = "tessera_cuda_graph_enter")]
    internal static partial int CudaGraphEnter(nint graph);

    [LibraryImport(Lib, EntryPoint = "tessera_cuda_graph_leave")]
    internal static partial int CudaGraphLeave(nint graph);

    [LibraryImport(Lib, EntryPoint = "tessera_cuda_graph_begin")]
    internal static partial int CudaGraphBegin(nint graph);

    [LibraryImport(Lib, EntryPoint = "tessera_cuda_graph_end")]
    internal static partial int CudaGraphEnd(nint graph);

    [LibraryImport(Lib, EntryPoint = "tessera_cuda_graph_replay")]
    internal static partial int CudaGraphReplay(nint graph);

    [LibraryImport(Lib, EntryPoint = "tessera_store_new", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int StoreNew(string host, int port, int server, long timeout, out StoreHandle result);

    [LibraryImport(Lib, EntryPoint = "tessera_store_free")]
    internal static partial int StoreFree(nint store);

    [LibraryImport(Lib, EntryPoint = "tessera_store_set", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int StoreSet(StoreHandle store, string key, byte* value, int count);

    [LibraryImport(Lib, EntryPoint = "tessera_store_get", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int StoreGet(StoreHandle store, string key, long timeout, out byte* value, out int count);

    [LibraryImport(Lib, EntryPoint = "tessera_store_check", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int StoreCheck(StoreHandle store, string key, out int present);

    [LibraryImport(Lib, EntryPoint = "tessera_store_add", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int StoreAdd(StoreHandle store, string key, long value, out long result);

    [LibraryImport(Lib, EntryPoint = "tessera_has_gloo")]
    internal static partial int HasGloo();

    [LibraryImport(Lib, EntryPoint = "tessera_group_new", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int GroupNew(
        StoreHandle store,
        string name,
        int rank,
        int size,
        int cuda,
        string address,
        long timeout,
        out GroupHandle result
    );

    [LibraryImport(Lib, EntryPoint = "tessera_group_free")]
    internal static partial int GroupFree(nint group);

    [LibraryImport(Lib, EntryPoint = "tessera_group_broadcast")]
    internal static partial int GroupBroadcast(GroupHandle group, nint tensor, int root);

    [LibraryImport(Lib, EntryPoint = "tessera_group_all_reduce")]
    internal static partial int GroupAllReduce(GroupHandle group, nint tensor);

    [LibraryImport(Lib, EntryPoint = "tessera_group_all_gather")]
    internal static partial int GroupAllGather(GroupHandle group, nint input, nint output);

    [LibraryImport(Lib, EntryPoint = "tessera_reducer_new")]
    internal static partial int ReducerNew(
        GroupHandle group,
        nint* parameters,
        int count,
        long firstBucket,
        long bucket,
        out ReducerHandle result
    );

    [LibraryImport(Lib, EntryPoint = "tessera_reducer_free")]
    internal static partial int ReducerFree(nint reducer);

    [LibraryImport(Lib, EntryPoint = "tessera_reducer_prepare")]
    internal static partial int ReducerPrepare(ReducerHandle reducer, nint loss);

    /// <summary>A C string that the shim allocated, as a managed one; the native memory is freed.</summary>
    internal static string TakeString(nint text)
    {
        var result = Marshal.PtrToStringUTF8(text) ?? "";
        Free((void*)text);
        return result;
    }
}
