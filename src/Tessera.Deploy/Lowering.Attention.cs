using Tessera.Native;

namespace Tessera.Deploy;

/// <summary>The calls that together are softmax(scale q k^T + bias) v.</summary>
/// <param name="Members">Operator calls of the attention, without its last product.</param>
/// <param name="Query">Queries, [outer..., N, d].</param>
/// <param name="KeyTransposed">Transposed keys, [outer..., d, M].</param>
/// <param name="Value">Values, [outer..., M, e].</param>
/// <param name="Biases">Calls that add a bias to the scores, each with the position of the bias among its arguments.</param>
/// <param name="Scale">Factor of the scores before the softmax.</param>
internal sealed record AttentionMatch(
    Node[] Members,
    View Query,
    View KeyTransposed,
    View Value,
    (Node Node, int Argument)[] Biases,
    double Scale
)
{
    /// <summary>Whether a call reads the buffer as query, key or value of this attention, which may be bfloat16.</summary>
    internal bool TakesHalf(Node use, GraphBuffer buffer) =>
        (Members.Contains(use) || ReferenceEquals(use, Last)) && !Biases.Any(b => ReferenceEquals(b.Node.Input(b.Argument)?.Of, buffer));

    internal required Node Last { get; init; }
}

internal sealed unsafe partial class Lowering
{
    private void FindAttention()
    {
        foreach (var node in graph.Nodes)
        {
            if (node.Name is "tessera::attention" or "aten::scaled_dot_product_attention" && MatchAttention(node) is { } whole)
                attentions[node] = whole;
            if (node.Name is not ("aten::softmax" or "aten::_softmax") || Match(node) is not { } match)
                continue;
            attentions[match.Last] = match;
            foreach (var member in match.Members)
                member.Done = true;
        }
    }

    /// <summary>A call that is the whole of attention; null where it does more than the kernel can.</summary>
    private static AttentionMatch? MatchAttention(Node node)
    {
        if (node.Input(0) is not { Sizes.Length: 4 } query || node.Input(1) is not { } key || node.Input(2) is not { } value)
            return null;
        var ours = node.Name == "tessera::attention";
        var masked = !ours && node.Arguments[3].Tensor is not null;
        if (!ours && (node.Int(5, 0) != 0 || (masked && node.Arguments[3].Tensor!.Type != DType.Float32)))
            return null;
        var given = node.Arguments.Length > (ours ? 3 : 6) ? node.Arguments[ours ? 3 : 6] : null;
        var scale = given is { Tag: Tag.Double or Tag.Int } ? given.Real : 1 / Math.Sqrt(query.Sizes[^1]);
        var across = key with
        {
            Sizes = [.. key.Sizes[..^2], key.Sizes[^1], key.Sizes[^2]],
            Strides = [.. key.Strides[..^2], key.Strides[^1], key.Strides[^2]],
        };
        return new([], query, across, value, masked ? [(node, 3)] : [], scale) { Last = node };
    }

    private static AttentionMatch? Match(Node softmax)
    {
        var scores = softmax.Input(0)!;
        var axis = softmax.Int(1, -1);
        if ((axis != -1 && axis != scores.Sizes.Length - 1) || !Replaces(scores, softmax.Output))
            return null;
        if (
            OnlyUse(softmax.Output) is not { Name: "aten::matmul" or "aten::bmm" } last
            || last.Input(0) is not { } weights
            || !ReferenceEquals(weights.Of, softmax.Output)
        )
            return null;
        if (last.Input(1) is not { } value || !Replaces(weights, softmax.Output) || value.Sizes.Length != weights.Sizes.Length)
            return null;

        var members = new List<Node> { softmax };
        var biases = new List<(Node, int)>();
        var scale = 1.0;
        var at = scores;
        Node producer;
        while (true)
        {
            if (at.Of.Producer is not { } made || OnlyUse(at.Of) is null || made.Outputs.Length != 1 || !IsWhole(at))
                return null;
            producer = made;
            if (producer.Name is "aten::matmul" or "aten::bmm")
                break;
            if (producer.Name == "aten::add" && biases.Count < 2 && producer.Arguments[2] is { Tag: Tag.Default } or { Real: 1 })
            {
                // The scores are the argument that another product of this chain made; the other one is added to them.
                var argument =
                    producer.Input(0) is { } first && Chained(first, producer.Output) ? 0
                    : producer.Input(1) is { } second && Chained(second, producer.Output) ? 1
                    : -1;
                if (argument < 0 || scale != 1.0)
                    return null;
                biases.Add((producer, 1 - argument));
                members.Add(producer);
                at = producer.Input(argument)!;
            }
            else if (
                producer is { Name: "aten::mul" or "aten::div" }
                && producer.Arguments[1].Tag is Tag.Double or Tag.Int
                && producer.Input(0) is { } scaled
                && Replaces(scaled, producer.Output)
            )
            {
                scale *= producer.Name == "aten::mul" ? producer.Arguments[1].Real : 1 / producer.Arguments[1].Real;
                members.Add(producer);
                at = scaled;
            }
            else
                return null;
        }
        members.Add(producer);
        if (producer.Input(0) is not { } query || producer.Input(1) is not { } key || query.Sizes.Length != key.Sizes.Length)
            return null;
        (query, var first_) = Unscaled(query, members);
        (key, var second_) = Unscaled(key, members);
        scale *= first_ * second_;
        // [outer, heads, tokens, channels] once dimensions of size one are left out.
        var leading = weights.Sizes[..^2];
        if (leading.Count(size => size > 1) > 2 || !Broadcasts(query, leading) || !Broadcasts(key, leading) || !Broadcasts(value, leading))
            return null;
        return new([.. members], query, key, value, [.. biases], scale) { Last = last };
    }

    private static bool Broadcasts(View view, long[] leading) =>
        view.Sizes[..^2].Select((size, d) => size == leading[d] || size == 1).All(fits => fits);

    private static bool Chained(View view, GraphBuffer output) =>
        Replaces(view, output)
        && OnlyUse(view.Of) is not null
        && view.Of.Producer?.Name is "aten::matmul" or "aten::bmm" or "aten::add" or "aten::mul" or "aten::div";

    /// <summary>The tensor that was multiplied by a number before the product, with that number.</summary>
    private static (View View, double Factor) Unscaled(View view, List<Node> members)
    {
        if (
            view.Of.Producer is not { Name: "aten::mul" or "aten::div" } producer
            || producer.Arguments[1].Tag is not (Tag.Double or Tag.Int)
        )
            return (view, 1);
        if (OnlyUse(view.Of) is null || producer.Input(0) is not { } source)
            return (view, 1);
        // The view of the product is a view of the factor alike only where both lie in the same order.
        if (!IsWhole(view) || !source.Sizes.SequenceEqual(producer.Output.Sizes))
            return (view, 1);
        var own = new GraphBuffer(producer.Output.Sizes, producer.Output.Strides, producer.Output.Type)
        {
            Place = new(new Root(DType.Float32, 1), source.Offset, source.Strides),
        };
        if (Order.Locate(view with { Of = own }) is not { } located)
            return (view, 1);
        members.Add(producer);
        return (
            new(source.Of, located.Sizes, located.Strides, located.Offset),
            producer.Name == "aten::mul" ? producer.Arguments[1].Real : 1 / producer.Arguments[1].Real
        );
    }

    private void LowerAttention(Node node, AttentionMatch match)
    {
        var leading = node.Output.Sizes[..^2];
        var (queries, valueDim) = (node.Output.Sizes[^2], node.Output.Sizes[^1]);
        var (keys, dim) = (match.KeyTransposed.Sizes[^1], match.Query.Sizes[^1]);
        var (query, key, value) = (Find(match.Query), Find(match.KeyTransposed), Find(match.Value));
        if (!(query.IsHalf && key.IsHalf && value.IsHalf))
            (query, key, value) = (Float(query), Float(key), Float(value));

        var output = node.Output;
        var order = OrderOfCopy(output);
        var target = Fill(output, order, TakesHalf(output) ? DType.BFloat16 : DType.Float32);
        var levels = Levels(leading);
        long[] Strides(Located located, bool transposed = false)
        {
            var strides = located.Strides;
            long Of(int d) => d < 0 || located.Sizes[d] == 1 ? 0 : strides[d];
            return [Of(levels.Outer), Of(levels.Head), strides[^(transposed ? 1 : 2)], strides[^(transposed ? 2 : 1)]];
        }

        long[] full = [.. leading, queries, keys];
        var biases = match.Biases.Select(bias => Operand(bias.Node, bias.Argument).Expand(full)).ToArray();
        long Size(int level) => level < 0 ? 1 : leading[level];
        var (outer, heads) = (Size(levels.Outer), Size(levels.Head));
        long[] queryStrides = Strides(query),
            keyStrides = Strides(key, true),
            valueStrides = Strides(value),
            outStrides = Strides(target);
        var macs = outer * heads * queries * keys * (dim + valueDim);
        Add(StepKind.Attention, "attention", macs, [query, key, value, target, .. biases], at =>
        {
            var attention = new AttentionArguments
            {
                Query = at(query),
                Key = at(key),
                Value = at(value),
                FirstBias = biases.Length > 0 ? at(biases[0]) : 0,
                SecondBias = biases.Length > 1 ? at(biases[1]) : 0,
                Out = at(target),
                Outer = outer,
                Heads = heads,
                Queries = queries,
                Keys = keys,
                Dim = dim,
                ValueDim = valueDim,
                Scale = (float)match.Scale,
                Type = query.IsHalf ? 1 : 0,
                OutType = target.IsHalf ? 1 : 0,
            };
            for (var i = 0; i < 4; i++)
            {
                (attention.QueryStride[i], attention.KeyStride[i], attention.ValueStride[i], attention.OutStride[i]) = (
                    queryStrides[i],
                    keyStrides[i],
                    valueStrides[i],
                    outStrides[i]
                );
                for (var b = 0; b < biases.Length; b++)
                    attention.BiasStride[(4 * b) + i] = Strides(biases[b])[i];
            }
            return attention;
        });
    }

    /// <summary>The dimensions that count outer repetitions and heads; -1 where there is none.</summary>
    private static (int Outer, int Head) Levels(long[] leading)
    {
        var real = Enumerable.Range(0, leading.Length).Where(d => leading[d] > 1).ToArray();
        return real.Length switch
        {
            0 => (-1, -1),
            1 => (-1, real[0]),
            _ => (real[0], real[1]),
        };
    }

    /// <summary>
    /// The order in which the only copy of a buffer wants its elements, so that it need not be made; else that of the trace.
    /// </summary>
    private static long[] OrderOfCopy(GraphBuffer buffer)
    {
        var order = Order.Like(buffer.Sizes, buffer.Strides);
        if (OnlyUse(buffer) is not { } use || !IsCopy(use))
            return order;
        var view = use.Inputs.First();
        var wanted = Order.RowMajor(view.Sizes);
        var strides = (long[])order.Clone();
        for (var d = 0; d < buffer.Sizes.Length; d++)
        {
            if (buffer.Sizes[d] == 1)
                continue;
            var match = Enumerable
                .Range(0, view.Sizes.Length)
                .FirstOrDefault(v => view.Sizes[v] == buffer.Sizes[d] && view.Strides[v] == buffer.Strides[d], -1);
            if (match < 0)
                return order;
            strides[d] = wanted[match];
        }
        return strides;
    }
}
