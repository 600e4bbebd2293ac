using System.Runtime.InteropServices;
using Tessera.Native;

namespace Tessera.Deploy;

/// <summary>A compiled model with memory of its own, ready to run; mirrors <c>Program</c> in native/inference.cpp.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct NativeProgram
{
    internal nint Steps,
        Input,
        Output,
        Target;
    internal long InputBytes,
        OutputBytes;
    internal int Count;
}

[StructLayout(LayoutKind.Sequential)]
internal struct NativeStep
{
    internal StepKind Kind;
    internal nint Arguments;
}

[StructLayout(LayoutKind.Sequential)]
internal struct NativeEngineCall
{
    internal nint Op,
        Arguments,
        Targets;
    internal int Count,
        TargetCount;
}

/// <summary>Steps bound to memory: several programs of one model run beside each other.</summary>
internal sealed unsafe class CompiledProgram : IDisposable
{
    private const long Alignment = 64;
    private readonly List<nint> blocks = [];
    private readonly List<Tensor> tensors = [];
    private readonly nint memory;

    internal NativeProgram Native { get; }

    internal CompiledProgram(Lowering plan, long bytes)
    {
        memory = (nint)NativeMemory.AlignedAlloc((nuint)bytes, 4096);
        nint At(Located? located) =>
            located is null
                ? 0
                : (located.Root is { } root ? memory + (nint)root.Address : located.Constant)
                    + (nint)(located.Offset * located.Type.Size());
        nint target = 0;
        var steps = (NativeStep*)Allocate(plan.Steps.Count * sizeof(NativeStep));
        for (var i = 0; i < plan.Steps.Count; i++)
        {
            var arguments = plan.Steps[i].Build(At);
            if (arguments is EngineTemplate template)
                arguments = Bind(template, At);
            var block = Allocate(Marshal.SizeOf(arguments));
            Marshal.StructureToPtr(arguments, block, false);
            steps[i] = new() { Kind = plan.Steps[i].Kind, Arguments = block };
            if (plan.WritesResult && i == plan.Steps.Count - 1)
                target = block + Marshal.OffsetOf(arguments.GetType(), "Out");
        }
        Native = new()
        {
            Steps = (nint)steps,
            Count = plan.Steps.Count,
            Input = memory + (nint)plan.InputRoot.Address,
            InputBytes = plan.InputRoot.Bytes,
            Output = At(plan.Result),
            Target = target,
            OutputBytes = plan.Result.Elements * plan.Result.Type.Size(),
        };
    }

    /// <summary>Gives every root its place, so that those in use at the same time do not overlap.</summary>
    /// <returns>Bytes needed.</returns>
    internal static long Arrange(IEnumerable<Root> roots)
    {
        var placed = new List<Root>();
        var bytes = Alignment;
        // The largest first: the small ones fit between them.
        foreach (var root in roots.Where(r => r.Last >= 0 && !r.IsCallers).OrderByDescending(r => r.Bytes).ThenBy(r => r.First))
        {
            var address = 0L;
            foreach (var other in placed.Where(o => o.First <= root.Last && root.First <= o.Last).OrderBy(o => o.Address))
            {
                if (address + Padded(root) <= other.Address)
                    break;
                address = Math.Max(address, other.Address + Padded(other));
            }
            root.Address = address;
            placed.Add(root);
            bytes = Math.Max(bytes, address + Padded(root));
        }
        return bytes;
    }

    // Kernels read whole vectors: a vector's room behind every root keeps them inside the memory.
    private static long Padded(Root root) => (root.Bytes + (2 * Alignment) - 1) / Alignment * Alignment;

    private NativeEngineCall Bind(EngineTemplate template, Addressing at)
    {
        nint Bound(Located located)
        {
            var type = located.Type;
            fixed (long* sizes = located.Sizes)
            fixed (long* strides = located.Strides)
            {
                Dispatcher.Check(
                    Imports.TensorFromMemory((void*)at(located), sizes, strides, located.Dims, (int)type, null, null, out var handle)
                );
                var tensor = new Tensor(handle).Keep();
                tensors.Add(tensor);
                return tensor.Handle;
            }
        }

        var values = (Value*)Allocate(Math.Max(1, template.Values.Length) * sizeof(Value));
        for (var i = 0; i < template.Values.Length; i++)
        {
            var value = template.Values[i];
            nint Handle(TracedTensor? tensor) =>
                tensor is null ? 0
                : template.Arguments.TryGetValue(tensor, out var located) ? Bound(located)
                : tensor.Constant!.Handle;
            values[i] = value.Tag switch
            {
                Tag.Tensor => new() { Tag = Tag.Tensor, Payload = Handle(value.Tensor) },
                Tag.TensorList => Value.List(Tag.TensorList, List([.. value.Tensors.Select(Handle)]), value.Tensors.Length),
                Tag.IntList or Tag.DoubleList => Value.List(
                    value.Tag,
                    List([.. value.Items.Select(item => (nint)item)]),
                    value.Items.Length
                ),
                Tag.BoolList or Tag.String => Value.List(value.Tag, Bytes([.. value.Items.Select(item => (byte)item)]), value.Items.Length),
                _ => new() { Tag = value.Tag, Payload = value.Number },
            };
        }
        return new()
        {
            Op = Dispatcher.Find(template.Name, template.Overload),
            Arguments = (nint)values,
            Count = template.Values.Length,
            Targets = (nint)List([.. template.Targets.Select(target => target is null ? 0 : Bound(target))]),
            TargetCount = template.Targets.Length,
        };
    }

    private void* List(nint[] items)
    {
        var block = (nint*)Allocate(Math.Max(1, items.Length) * sizeof(nint));
        for (var i = 0; i < items.Length; i++)
            block[i] = items[i];
        return block;
    }

    private void* Bytes(byte[] items)
    {
        var block = (byte*)Allocate(Math.Max(1, items.Length));
        items.CopyTo(new Span<byte>(block, items.Length));
        return block;
    }

    private nint Allocate(int bytes)
    {
        var block = (nint)NativeMemory.AllocZeroed((nuint)Math.Max(1, bytes));
        blocks.Add(block);
        return block;
    }

    public void Dispose()
    {
        foreach (var tensor in tensors)
            tensor.Dispose();
        foreach (var block in blocks)
            NativeMemory.Free((void*)block);
        NativeMemory.AlignedFree((void*)memory);
        tensors.Clear();
        blocks.Clear();
    }
}
