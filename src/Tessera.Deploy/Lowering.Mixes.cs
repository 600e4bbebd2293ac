using Tessera.Native;

namespace Tessera.Deploy;

/// <summary>
/// A 1 x 1 convolution over maps of several resolutions, as SegFormer's decoder has it. It sums a product for each of them, and a linear map
/// of positions and a resize may change places: so each product is computed at its own map's resolution, and the sums resized.
/// </summary>
/// <param name="Parts">The maps with their parts of the weights.</param>
/// <param name="Shift">Sum of all biases in float64; null for none.</param>
internal sealed record Mix(MixedMap[] Parts, Tensor? Shift);

/// <summary>One map of a mix.</summary>
/// <param name="Source">The map, [1, in, h, w].</param>
/// <param name="Weights">[out, in] in float64.</param>
/// <param name="Resize">The call that brings the product to the mix's size; null where it has that size.</param>
internal sealed record MixedMap(View Source, Tensor Weights, Node? Resize);

internal sealed unsafe partial class Lowering
{
    private void FindMixes()
    {
        foreach (var node in graph.Nodes)
            if (IsPointwise(node) && Match(node, node.Input(0)!) is var (mix, members))
            {
                mixes[node] = mix;
                foreach (var member in members)
                    member.Done = true;
            }
    }

    private static (Mix Mix, List<Node> Members)? Match(Node conv, View whole)
    {
        var members = new List<Node>();
        var (user, maps) = (conv, new[] { whole });
        if (Made(whole, conv) is { Name: "aten::cat" } cat && cat.Int(1, 0) == 1 && cat.Inputs.Count() == cat.Arguments[0].Tensors.Length)
        {
            (user, maps) = (cat, [.. cat.Inputs]);
            members.Add(cat);
        }
        var weights = conv.Constant(1)!.To(DType.Float64).Flatten(1);
        var shift = conv.Constant(2)?.To(DType.Float64);
        var (parts, first) = (new List<MixedMap>(), 0L);
        foreach (var map in maps)
        {
            var (own, source, holder) = (weights.Slice(1, first, first + map.Sizes[1]), map, user);
            first += map.Sizes[1];
            var resize = Made(map, user) is { } made && IsResize(made) && Enlarges(made) ? made : null;
            if (resize is not null)
            {
                members.Add(resize);
                (source, holder) = (resize.Input(0)!, resize);
            }
            if (Linear(source, holder) is var (linear, input) && linear.Constant(1)!.Flatten(1) is var inner && IsLess(own, inner))
            {
                members.Add(linear);
                source = input;
                if (linear.Constant(2) is { } bias)
                    shift = Sum(shift, own.Matmul(bias.To(DType.Float64)));
                own = own.Matmul(inner.To(DType.Float64));
            }
            parts.Add(new(source, own, resize));
        }
        return parts.Count(part => part.Resize is not null) is > 0 and <= ResizeArguments.MostSources
            && parts.Select(part => part.Resize?.Name).OfType<string>().Distinct().Count() == 1
            ? (new([.. parts], shift), members)
            : null;
    }

    /// <summary>The call that makes a map for a user alone.</summary>
    private static Node? Made(View map, Node user) => IsIdentity(map) && ReferenceEquals(OnlyUse(map.Of), user) ? map.Of.Producer : null;

    private static bool Enlarges(Node resize) =>
        resize.Input(0)!.Sizes is var from
        && resize.Output.Sizes is var to
        && from[2] <= to[2]
        && from[3] <= to[3];

    /// <summary>Whether the product of two maps, [out, middle] and [middle, in], takes no more work than one after the other.</summary>
    private static bool IsLess(Tensor outer, Tensor inner) =>
        outer.Size(0) * inner.Size(1) <= (outer.Size(0) + inner.Size(1)) * inner.Size(0);

    /// <summary>The linear map of positions that makes a map for a user alone, and its input as a map.</summary>
    private static (Node Linear, View Input)? Linear(View map, Node user)
    {
        if (Made(map, user) is { } conv && IsPointwise(conv))
            return (conv, conv.Input(0)!);
        if (
            map.Of.Producer is not { Name: "aten::linear" } linear
            || !ReferenceEquals(OnlyUse(map.Of), user)
            || linear.Constant(1) is not { Dim: 2 } weight
            || (linear.Constant(2) is null && linear.Arguments.Length > 2 && linear.Arguments[2].Tensor is not null)
            || linear.Input(0) is not { Sizes: [1, var count, _], Of.Type: DType.Float32 } tokens
            || map.Sizes is not [1, var channels, var height, var width]
            || channels != weight.Size(0)
            || count != height * width
            || !Order.Same(map.Of.Sizes, map.Of.Strides, Order.RowMajor(map.Of.Sizes))
            || !Order.Same(map.Sizes, map.Strides, Order.ChannelsLast(map.Sizes))
        )
            return null;
        long[] strides = [tokens.Strides[0], tokens.Strides[2], width * tokens.Strides[1], tokens.Strides[1]];
        return (linear, new(tokens.Of, [1, tokens.Sizes[2], height, width], strides, tokens.Offset));
    }

    private void LowerMix(Node node, Mix mix)
    {
        var sizes = node.Output.Sizes;
        var (order, columns) = (Order.ChannelsLast(sizes), sizes[1]);
        var ending = End(node, 1, order, joinsResidual: false);
        var target = Placed(node.Output, ending, order, mayBeHalf: false);
        var shift = mix.Shift?.ToArray<float>();
        var resized = new List<(Node, Located)>();
        Located? sum = null;
        // The shift goes into the first product: a resize leaves a constant as it is.
        foreach (var (i, part) in mix.Parts.Index())
        {
            var own = i == 0 ? ending : ending with { Shift = null };
            var (values, shifts) = Scaled(part.Weights.Contiguous().ToArray<float>(), i == 0 ? shift : null, own);
            var left = Pixels(part.Source, HalfPixels(node, part.Source.Sizes[1]));
            if (part.Resize is null)
            {
                Multiply(node.Name, left, values, shifts, new(sum, columns), new(target, columns), Activation.None);
                sum = target;
                continue;
            }
            long[] size = [1, columns, part.Source.Sizes[2], part.Source.Sizes[3]];
            var product = Fresh(size, Order.ChannelsLast(size), DType.Float32);
            Multiply(node.Name, left, values, shifts, new(null, 0), new(product, columns), Activation.None);
            resized.Add((part.Resize, product));
        }
        Resize([.. resized], sum, target, $"{mix.Parts.First(part => part.Resize is not null).Resize!.Name}+{ending.Label}", ending.Activation);
    }
}
