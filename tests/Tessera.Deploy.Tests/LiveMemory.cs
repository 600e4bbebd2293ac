using System.Runtime.InteropServices;
using Tessera.Native;

namespace Tessera.Tests.Deploy;

/// <summary>The most memory that results of operators of its thread held at once, as far as their calls show it.</summary>
internal sealed unsafe partial class LiveMemory : CallObserver, IDisposable
{
    private readonly CallObserver? outer = Current;
    private readonly List<(nint Handle, nint Storage, long Bytes)> seen = [];

    [LibraryImport(Library.Name, EntryPoint = "tessera_tensor_uses")]
    private static partial int Uses(nint handle);

    internal LiveMemory() => Current = this;

    internal long MostBytes { get; private set; }

    internal override void Called(string name, string overload, Value* arguments, int count, Value* results, int returned)
    {
        outer?.Called(name, overload, arguments, count, results, returned);
        for (var i = 0; i < returned; i++)
        {
            if (results[i].Tag != Tag.Tensor || results[i].Payload == 0)
                continue;
            TensorInfo info;
            Dispatcher.Check(Imports.TensorInfo((nint)results[i].Payload, &info));
            Imports.TensorWatch((nint)results[i].Payload);
            seen.Add(((nint)results[i].Payload, info.Storage, info.StorageBytes));
        }
        for (var i = seen.Count - 1; i >= 0; i--)
            if (Uses(seen[i].Handle) == 0)
            {
                Imports.TensorUnwatch(seen[i].Handle);
                seen.RemoveAt(i);
            }
        MostBytes = Math.Max(MostBytes, seen.DistinctBy(one => one.Storage).Sum(one => one.Bytes));
    }

    public void Dispose()
    {
        Current = outer;
        foreach (var (handle, _, _) in seen)
            Imports.TensorUnwatch(handle);
        seen.Clear();
    }
}
