using Tessera.Nn;

namespace Tessera.Models.Layers;

/// <summary>Sizes of visual-token modules.</summary>
/// <param name="Channels">Channels of the pixels, C.</param>
/// <param name="Tokens">Number of tokens, L.</param>
/// <param name="TokenChannels">Channels of the tokens, C_T.</param>
/// <param name="TransformerWidth">Width of the transformer's queries and keys; null: C_T / 2.</param>
/// <param name="ProjectorWidth">Width of the projector's queries and keys; null: C / 2.</param>
/// <param name="TokenizerValue">Whether pixels are mapped before they are pooled; null: only where C and C_T differ.</param>
/// <param name="TransformerValue">Whether tokens are mapped before they are mixed.</param>
/// <param name="ProjectorValue">Whether tokens are mapped before they are written back; null: only where C and C_T differ.</param>
/// <param name="ScaleLogits">Whether the tokenizer's scores are divided by the square root of C; without, the softmax over thousands of
/// pixels saturates from the first step.</param>
/// <param name="PoolFirst">Whether values are mapped after pooling instead of before, which is the same product at a fraction of the
/// operations; the equations, and published counts, map every pixel.</param>
public sealed record VisualTokenSizes(
    int Channels,
    int Tokens = 16,
    int TokenChannels = 1024,
    int? TransformerWidth = null,
    int? ProjectorWidth = null,
    bool? TokenizerValue = null,
    bool TransformerValue = false,
    bool? ProjectorValue = null,
    bool ScaleLogits = true,
    bool PoolFirst = false
)
{
    internal bool Widens => Channels != TokenChannels;

    internal static Linear Map(int from, int to)
    {
        var linear = new Linear(from, to, bias: false);
        Init.KaimingNormal(linear.Weight);
        return linear;
    }
}

/// <summary>
/// Pools pixels into tokens by spatial attention (Wu et al., 2020, arXiv:2006.03677, equations 1 and 2): the weights come from
/// learned filters, or, recurrent, from the tokens of the module before. Records <c>attention</c>, [B, 1, L, pixels], each
/// row of which sums to 1.
/// </summary>
public sealed partial class VisualTokenizer : Module<(Tensor Pixels, Tensor? Tokens), Tensor>
{
    private readonly Linear? wA; // filters: C to L
    private readonly Linear? wR; // recurrent: C_T to C
    private readonly Linear? wV; // C to C_T
    private readonly double scale;
    private readonly bool poolFirst;

    /// <summary>A tokenizer by filters, or by the previous tokens.</summary>
    public VisualTokenizer(VisualTokenSizes sizes, bool recurrent)
    {
        if (recurrent)
            wR = VisualTokenSizes.Map(sizes.TokenChannels, sizes.Channels);
        else
            wA = VisualTokenSizes.Map(sizes.Channels, sizes.Tokens);
        if (sizes.TokenizerValue ?? sizes.Widens)
            wV = VisualTokenSizes.Map(sizes.Channels, sizes.TokenChannels);
        poolFirst = sizes.PoolFirst;
        scale = sizes.ScaleLogits ? 1 / Math.Sqrt(sizes.Channels) : 1;
    }

    /// <summary>Pixels [B, HW, C] and, for the recurrent form, tokens [B, L, C_T] to tokens [B, L, C_T].</summary>
    protected override Tensor Forward((Tensor Pixels, Tensor? Tokens) input)
    {
        var (pixels, tokens) = input;
        var scores = wA is not null
            ? wA.Call(pixels)
            // [B, HW, L]
            : pixels.Matmul(wR!.Call(tokens ?? throw new ArgumentException("a recurrent tokenizer needs tokens", nameof(input))).MT);
        var weights = (scores * scale).Softmax(1).MT; // over the pixels
        Record("attention", weights.Unsqueeze(1));
        if (wV is null)
            return weights.Matmul(pixels);
        return poolFirst ? wV.Call(weights.Matmul(pixels)) : weights.Matmul(wV.Call(pixels));
    }
}

/// <summary>
/// Relates the tokens to each other: one layer, one head, no norm, [B, L, C_T] to the same (equations 3 and 4). Records
/// <c>attention</c>, [B, 1, L, L].
/// </summary>
public sealed partial class VisualTransformer : Layer
{
    private readonly Linear query;
    private readonly Linear key;
    private readonly Linear? value;
    private readonly Linear f1;
    private readonly Linear f2;

    /// <summary>A transformer over tokens.</summary>
    public VisualTransformer(VisualTokenSizes sizes)
    {
        var (dim, width) = (sizes.TokenChannels, sizes.TransformerWidth ?? sizes.TokenChannels / 2);
        query = VisualTokenSizes.Map(dim, width);
        key = VisualTokenSizes.Map(dim, width);
        if (sizes.TransformerValue)
            value = VisualTokenSizes.Map(dim, dim);
        f1 = VisualTokenSizes.Map(dim, dim);
        f2 = VisualTokenSizes.Map(dim, dim);
    }

    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input)
    {
        var weights = Attention.Weights(query.Call(input), key.Call(input)); // over the keys
        Record("attention", weights.Unsqueeze(1));
        var x = input + weights.Matmul(value is null ? input : value.Call(input));
        return x + f2.Call(f1.Call(x).Relu());
    }
}

/// <summary>
/// Writes tokens back into the pixels by attention of every pixel over the tokens (equation 5). Records <c>attention</c>,
/// [B, 1, pixels, L], each row of which sums to 1.
/// </summary>
public sealed partial class VisualProjector : Module<(Tensor Pixels, Tensor Tokens), Tensor>
{
    private readonly Linear query;
    private readonly Linear key;
    private readonly Linear? value;

    /// <summary>A projector.</summary>
    public VisualProjector(VisualTokenSizes sizes)
    {
        var width = sizes.ProjectorWidth ?? sizes.Channels / 2;
        query = VisualTokenSizes.Map(sizes.Channels, width);
        key = VisualTokenSizes.Map(sizes.TokenChannels, width);
        if (sizes.ProjectorValue ?? sizes.Widens)
            value = VisualTokenSizes.Map(sizes.TokenChannels, sizes.Channels);
    }

    /// <summary>Pixels [B, HW, C] and tokens [B, L, C_T] to pixels [B, HW, C].</summary>
    protected override Tensor Forward((Tensor Pixels, Tensor Tokens) input)
    {
        var weights = Attention.Weights(query.Call(input.Pixels), key.Call(input.Tokens)); // over the tokens
        Record("attention", weights.Unsqueeze(1));
        return input.Pixels + weights.Matmul(value is null ? input.Tokens : value.Call(input.Tokens));
    }
}

/// <summary>Tokenizer, transformer and, in all but the last module of a network, projector.</summary>
public sealed partial class VisualTokenModule : Module<(Tensor Pixels, Tensor? Tokens), (Tensor Pixels, Tensor Tokens)>
{
    private readonly VisualTokenizer tokenizer;
    private readonly VisualTransformer transformer;
    private readonly VisualProjector? projector;

    /// <summary>A module; the recurrent ones take the tokens of the module before.</summary>
    public VisualTokenModule(VisualTokenSizes sizes, bool recurrent, bool projects)
    {
        tokenizer = new VisualTokenizer(sizes, recurrent);
        transformer = new VisualTransformer(sizes);
        if (projects)
            projector = new VisualProjector(sizes);
    }

    /// <summary>Modules in a row: the first with filters, the last without a projector.</summary>
    public static ModuleList<VisualTokenModule> Row(VisualTokenSizes sizes, int count) =>
        new(Enumerable.Range(0, count).Select(i => new VisualTokenModule(sizes, recurrent: i > 0, projects: i < count - 1)));

    /// <inheritdoc/>
    protected override (Tensor Pixels, Tensor Tokens) Forward((Tensor Pixels, Tensor? Tokens) input)
    {
        var tokens = transformer.Call(tokenizer.Call(input));
        return (projector is null ? input.Pixels : projector.Call((input.Pixels, tokens)), tokens);
    }
}
