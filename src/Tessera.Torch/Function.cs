using System.Runtime.InteropServices;
using Tessera.Native;

namespace Tessera;

/// <summary>A differentiable function with a backward pass written in C#.</summary>
/// <example><code>
/// sealed class Square : Function
/// {
///     protected override Tensor[] Forward(Context context, Tensor[] inputs)
///     {
///         context.Save(inputs[0]);
///         return [inputs[0] * inputs[0]];
///     }
///
///     protected override Tensor?[] Backward(Context context, Tensor?[] gradients)
///         => [gradients[0] * 2 * context.Saved(0)];
/// }
/// </code></example>
public abstract unsafe class Function
{
    /// <summary>Computes the outputs. The computation is not recorded for gradients.</summary>
    protected abstract Tensor[] Forward(Context context, Tensor[] inputs);

    /// <summary>
    /// Computes the gradients of the inputs from the gradients of the outputs (null for an output without influence). Returns null for
    /// an input that needs no gradient. When the caller asks for a graph of the gradients, this pass is recorded too.
    /// </summary>
    protected abstract Tensor?[] Backward(Context context, Tensor?[] gradients);

    /// <summary>Applies the function.</summary>
    public Tensor[] Apply(params Tensor[] inputs)
    {
        using var scope = Scope.OfCall();
        var context = new Context(this, inputs.Length);
        Tensor[] outputs;
        using (Torch.NoGrad())
        {
            outputs = Forward(context, inputs);
            // An input given back as an output needs a tensor of its own to carry the history (detached rather than a view:
            // views made outside of the graph cannot be changed in place within it).
            for (var i = 0; i < outputs.Length; i++)
                if (inputs.Any(input => input.Handle == outputs[i].Handle))
                    outputs[i] = outputs[i].Detach();
        }
        if (Torch.GradEnabled && inputs.Any(input => input.RequiresGrad))
            Record(context, inputs, outputs);
        return scope.Return(outputs);
    }

    private static void Record(Context context, Tensor[] inputs, Tensor[] outputs)
    {
        using var ins = new TensorList(inputs);
        var differentiable = outputs.Where(output => output.DType.IsFloat() && !context.Constants.Contains(output)).ToArray();
        using var outs = new TensorList(differentiable);
        var self = GCHandle.Alloc(context);
        Dispatcher.Check(
            Imports.FunctionNew(ins.Handles, ins.Count, &RunBackward, &Callback.Release, (void*)GCHandle.ToIntPtr(self), out var node)
        );
        try
        {
            Dispatcher.Check(Imports.FunctionOutputs(node, outs.Handles, outs.Count));
            foreach (var saved in context.ToSave)
                Dispatcher.Check(Imports.FunctionSave(node, saved.Handle, differentiable.Contains(saved) ? 1 : 0));
            context.ToSave.Clear();
            context.Constants.Clear();
        }
        finally
        {
            Imports.FunctionRelease(node);
        }
        GC.KeepAlive(inputs);
        GC.KeepAlive(outputs);
    }

    [UnmanagedCallersOnly]
    private static int RunBackward(void* state, nint node, nint* gradients, int count, byte* needed, nint* results, int resultCount)
    {
        var call = new BackwardCall(node, gradients, count, needed, results, resultCount);
        return Callback.Guard(state, (nint)(&call), 0, static (target, call, _) => ((BackwardCall*)call)->Run((Context)target));
    }

    private readonly struct BackwardCall(nint node, nint* gradients, int count, byte* needed, nint* results, int resultCount)
    {
        internal void Run(Context context)
        {
            using var scope = Scope.OfCall();
            context.Node = node;
            context.Needed = new Span<byte>(needed, resultCount).ToArray();
            var given = new Tensor?[count];
            for (var i = 0; i < count; i++)
            {
                if (gradients[i] == 0)
                    continue;
                Imports.TensorRetain(gradients[i]);
                given[i] = new Tensor(gradients[i]);
            }
            var computed = context.Function.Backward(context, given);
            if (computed.Length != resultCount)
                throw new InvalidOperationException(
                    $"{context.Function.GetType().Name}.Backward must return {resultCount} gradients, "
                        + $"one for each input, not {computed.Length}"
                );
            for (var i = 0; i < resultCount; i++)
            {
                if (computed[i] is not { IsAlive: true } gradient || needed[i] == 0)
                    continue;
                Imports.TensorRetain(gradient.Handle);
                results[i] = gradient.Handle;
            }
        }
    }

    /// <summary>The state that the two passes of a function share.</summary>
    public sealed class Context
    {
        internal readonly Function Function;
        internal readonly List<Tensor> ToSave = [];
        internal readonly HashSet<Tensor> Constants = [];
        internal nint Node;
        internal byte[] Needed;

        internal Context(Function function, int inputs)
        {
            Function = function;
            Needed = new byte[inputs];
        }

        /// <summary>Anything else that the backward pass needs; freed with the graph.</summary>
        public object? State { get; set; }

        /// <summary>Keeps inputs or outputs for the backward pass, guarded against changes in place.</summary>
        public void Save(params ReadOnlySpan<Tensor> tensors) => ToSave.AddRange(tensors);

        /// <summary>Marks outputs through which no gradient flows.</summary>
        public void MarkConstant(params ReadOnlySpan<Tensor> outputs)
        {
            foreach (var output in outputs)
                Constants.Add(output);
        }

        /// <summary>In the backward pass: a saved tensor, by the order of saving.</summary>
        public Tensor Saved(int index)
        {
            Dispatcher.Check(Imports.FunctionSaved(Node, index, out var handle));
            return new Tensor(handle);
        }

        /// <summary>In the backward pass: whether the gradient of an input is needed.</summary>
        public bool Needs(int input) => Needed[input] != 0;
    }
}
