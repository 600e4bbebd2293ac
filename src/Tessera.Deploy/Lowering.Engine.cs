using Tessera.Native;

namespace Tessera.Deploy;

/// <summary>A call that stays with the engine.</summary>
/// <param name="Name">Name of the operator, such as <c>aten::add</c>.</param>
/// <param name="Overload">Overload of the operator, such as <c>Tensor</c>; empty for the only one.</param>
/// <param name="Values">Its arguments as they were traced.</param>
/// <param name="Arguments">Memory of the arguments that depend on the input.</param>
/// <param name="Targets">Memory of the results, in order; null for a result that nothing uses.</param>
internal sealed record EngineTemplate(
    string Name,
    string Overload,
    TracedValue[] Values,
    IReadOnlyDictionary<TracedTensor, Located> Arguments,
    Located?[] Targets
);

internal sealed partial class Lowering
{
    private void LowerToEngine(Node node)
    {
        var arguments = new Dictionary<TracedTensor, Located>(ReferenceEqualityComparer.Instance);
        foreach (var tensor in node.Arguments.SelectMany(a => a.Tensors))
            if (tensor is not null && node.Input(tensor) is { } view)
                arguments[tensor] = Float(Find(view));
        var targets = new List<Located?>();
        foreach (var tensor in node.Call.Results.SelectMany(r => r.Tensors))
        {
            var view = node.Input(tensor);
            if (view is null || !node.Outputs.Contains(view.Of))
                throw new NotSupportedException(
                    $"{node.Name} returns a view of its input beside new tensors, which cannot be compiled: "
                        + "an operator must return only views or only new tensors"
                );
            targets.Add(view.Of.Uses.Count == 0 && !view.Of.IsResult ? null : Fill(view.Of, OrderOfResult(node, view.Of), view.Of.Type));
        }
        AddEngine(node.Name, node.Call.Overload, node.Arguments, arguments, [.. targets]);
    }

    /// <summary>Maps keep their channels together; everything else lies as the engine left it.</summary>
    private static long[] OrderOfResult(Node node, GraphBuffer buffer) =>
        buffer.Sizes.Length == 4 && node.Name is "aten::conv2d" or "aten::max_pool2d" or "aten::avg_pool2d" or "aten::adaptive_avg_pool2d"
            ? Order.ChannelsLast(buffer.Sizes)
            : Order.Like(buffer.Sizes, buffer.Strides);

    private void MoveByEngine(Located from, Located to)
    {
        var key = new TracedTensor(null, from.Sizes, from.Strides, 0, 0, 0, from.Type);
        AddEngine(
            "aten::alias",
            "",
            [new(Tag.Tensor, 0, [], [key])],
            new Dictionary<TracedTensor, Located>(ReferenceEqualityComparer.Instance) { [key] = from },
            [to]
        );
    }

    private void AddEngine(
        string name,
        string overload,
        TracedValue[] values,
        IReadOnlyDictionary<TracedTensor, Located> arguments,
        Located?[] targets
    )
    {
        var template = new EngineTemplate(name, overload, values, arguments, targets);
        EngineCalls.Add(template);
        Steps.Add(new(StepKind.Engine, name, [.. arguments.Values, .. targets], 0, _ => template));
    }
}
