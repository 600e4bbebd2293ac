using Tessera.Models.Layers;

namespace Tessera.Models;

/// <summary>A map of features.</summary>
/// <param name="Map">[B, C, H / stride, W / stride].</param>
/// <param name="Stride">Pixels of the image per position.</param>
public sealed record FeatureMap(Tensor Map, int Stride);

/// <summary>
/// A model that classifies, and answers the same questions as every other one: its features, a pyramid of maps, the output
/// of each block, its attention, another head, another resolution. Distillation, dense tasks and pictures stand on these.
/// </summary>
public abstract class Backbone : Model
{
    /// <summary>Width of the pooled features that the classifier sees.</summary>
    public abstract int NumFeatures { get; }

    /// <summary>Tokens before those of the patches (class, distillation, registers); 0 for models of maps.</summary>
    public virtual int NumPrefixTokens => 0;

    /// <summary>
    /// Whether the first of the prefix tokens stands for the whole image, as a class token that the classifier sees does.
    /// </summary>
    public virtual bool HasClassToken => NumPrefixTokens > 0;

    /// <summary>
    /// Prefix tokens in the output of one block, where they come or go on the way (a class token of the last stage only).
    /// </summary>
    public virtual int NumPrefixTokensAt(string blockPath) => NumPrefixTokens;

    /// <summary>Paths of the blocks whose outputs <see cref="ForwardIntermediates"/> gives, in order.</summary>
    public abstract IReadOnlyList<string> BlockPaths { get; }

    /// <summary>
    /// Paths of the records of the tokens [B, N, D] that each stage begins with, before its blocks; empty for models without stages of
    /// tokens.
    /// </summary>
    public virtual IReadOnlyList<string> EmbeddingPaths => [];

    /// <inheritdoc/>
    public sealed override void SetGradientCheckpointing(bool enable = true)
    {
        var modules = NamedModules().ToDictionary(m => m.Name, m => m.Module);
        if (BlockPaths.FirstOrDefault(path => !modules[path].SupportsGradientCheckpointing) is { } other)
            throw new NotSupportedException(
                $"{GetType().Name} does not support gradient checkpointing: its block {other} does not map a tensor to a tensor"
            );
        foreach (var path in BlockPaths)
            modules[path].GradientCheckpointing = enable;
    }

    /// <summary>
    /// The maps of every block of a plain transformer, for networks that use them in another role; empty for other models.
    /// </summary>
    public virtual IReadOnlyList<TransformerWeights> Transformer => [];

    /// <summary>Tokens [B, N, D] or the last map [B, C, H, W], after the final norm.</summary>
    protected abstract Tensor Features(Tensor input);

    /// <summary>The vector that the classifier sees, [B, D].</summary>
    protected abstract Tensor Pool(Tensor features);

    /// <summary>The classifier: [B, D] to [B, classes].</summary>
    protected abstract Tensor Classify(Tensor pooled);

    /// <summary>The logits for prediction, [B, classes], from the features, where they come from more than the pooled ones.</summary>
    protected virtual Tensor Logits(Tensor features) => Classify(Pool(features));

    /// <summary>Logits for prediction.</summary>
    protected sealed override Tensor Forward(Tensor input) => Taking(input, () => Logits(Features(input)));

    /// <summary>All outputs; by default only the logits.</summary>
    protected override Outputs ForwardOutputs(ModelInput input) => new(Logits(Features(input.Inputs)));

    /// <summary>Tokens [B, N, D] or the last map [B, C, H, W], after the final norm.</summary>
    /// <param name="input">Images or word ids.</param>
    /// <exception cref="ShapeException">The model cannot take it; see <see cref="Model.CheckInput"/>.</exception>
    public Tensor ForwardFeatures(Tensor input) => Torch.Scope(() => Taking(input, () => Features(input)));

    /// <summary>The logits, [B, classes], from what <see cref="ForwardFeatures"/> gives.</summary>
    /// <param name="features">Tokens [B, N, D] or a map [B, C, H, W], after the final norm.</param>
    /// <param name="preLogits">Stops before the classifier: the result is the pooled features that it sees, [B, D].</param>
    public Tensor ForwardHead(Tensor features, bool preLogits = false) => Torch.Scope(() => preLogits ? Pool(features) : Logits(features));

    /// <summary>
    /// One vector for each image, the pooled features that the classifier sees: images that look alike have vectors that point the same
    /// way. Where the classifier sees several tokens of an image, as that of a distilled model does, it is their mean.
    /// </summary>
    /// <param name="input">Images [B, C, H, W], or word ids [B, S].</param>
    /// <returns>[B, D], of which D is <see cref="NumFeatures"/>.</returns>
    /// <exception cref="ShapeException">The model cannot take it; see <see cref="Model.CheckInput"/>.</exception>
    public Tensor ForwardEmbedding(Tensor input) =>
        Torch.Scope(() =>
        {
            var pooled = ForwardHead(ForwardFeatures(input), preLogits: true);
            return pooled.Dim == 3 ? pooled.Mean([1]) : pooled;
        });

    /// <summary>
    /// The classifier alone: pooled features [B, D], as <see cref="ForwardHead"/> gives them before the logits, to [B, classes].
    /// </summary>
    public Tensor ForwardClassifier(Tensor pooled) => Torch.Scope(() => Classify(pooled));

    /// <summary>
    /// Outputs of the blocks, [B, N, D] (or maps), before the final norm. Indices count from 0, negative ones from the end;
    /// none means all.
    /// </summary>
    /// <param name="input">Images.</param>
    /// <param name="prefixTokens">Whether class and other prefix tokens stay in front.</param>
    /// <param name="indices">Which blocks.</param>
    public IReadOnlyList<Tensor> ForwardIntermediates(Tensor input, bool prefixTokens = true, params ReadOnlySpan<int> indices)
    {
        string[] wanted =
            indices.Length == 0 ? [.. BlockPaths] : [.. indices.ToArray().Select(i => BlockPaths[i < 0 ? i + BlockPaths.Count : i])];
        using var scope = new Scope();
        using var taps = new Taps(this, wanted);
        Taking(input, () => Features(input));
        Tensor[] blocks = [.. wanted.Select(path => taps[path])];
        if (!prefixTokens)
            blocks = [.. blocks.Select((block, i) => block.Dim == 3 ? block.Slice(1, NumPrefixTokensAt(wanted[i])) : block)];
        return scope.Return(blocks);
    }

    /// <summary>Weights of every attention by its path, [B, heads, queries, keys]; empty for models without attention.</summary>
    public IReadOnlyDictionary<string, Tensor> AttentionMaps(Tensor input)
    {
        using var scope = new Scope();
        using var taps = new Taps(this, "**.attention");
        Taking(input, () => Pool(Features(input)));
        // A module that is called attention records its output under that name.
        var modules = NamedModules().Select(entry => entry.Name).ToHashSet(StringComparer.Ordinal);
        return scope.Return(new OrderedDictionary<string, Tensor>(taps.Records.Where(record => !modules.Contains(record.Key))));
    }

    /// <summary>
    /// How it sees an image in its own terms: what its class token attends to, its windows, the tokens that it keeps, the points
    /// that it samples. Models without any of these show how long their features are, map by map.
    /// </summary>
    /// <param name="image">[1, C, H, W], with the model in evaluation.</param>
    public IReadOnlyList<Insight> Explain(Tensor image)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        return Taking<Insight[]>(image, () => [.. Insights(image)]);
    }

    /// <summary>What <see cref="Explain"/> gives.</summary>
    protected virtual IEnumerable<Insight> Insights(Tensor image)
    {
        var maps = FeatureMaps(image);
        var last = maps[^1].Map;
        Insight[] attended =
            NumPrefixTokens == 0 ? [] : [.. Insight.PrefixAttention(this, AttentionMaps(image), ((int)last.Size(2), (int)last.Size(3)))];
        return attended.Length > 0 ? attended : maps.Select(map => Insight.Norms($"features of stride {map.Stride}", map.Map));
    }

    /// <summary>What was recorded under some names while the model computed an answer.</summary>
    /// <param name="image">[B, C, H, W].</param>
    /// <param name="patterns">The names, as <see cref="Taps"/> takes them.</param>
    protected IReadOnlyDictionary<string, Tensor> RecordDuring(Tensor image, params string[] patterns)
    {
        using var taps = new Taps(this, patterns);
        Pool(Features(image));
        return taps.Records;
    }

    /// <summary>Feature maps from fine to coarse. Models of tokens give their last tokens as one map.</summary>
    public IReadOnlyList<FeatureMap> ForwardFeatureMaps(Tensor input)
    {
        using var scope = new Scope();
        var maps = Taking(input, () => FeatureMaps(input));
        foreach (var map in maps)
            scope.Return(map.Map);
        return maps;
    }

    /// <summary>What <see cref="ForwardFeatureMaps"/> gives.</summary>
    protected abstract IReadOnlyList<FeatureMap> FeatureMaps(Tensor input);

    /// <summary>
    /// Fits the weights of a checkpoint to this model before they are loaded: names of other versions, position tables of
    /// another grid. By default they are taken as they are.
    /// </summary>
    public virtual void AdaptStateDict(IDictionary<string, Tensor> state) { }

    // What a model fills in by itself is what it began with.
    internal sealed override IReadOnlyList<string> Fit(OrderedDictionary<string, Tensor> state)
    {
        var given = state.Keys.ToHashSet(StringComparer.Ordinal);
        AdaptStateDict(state);
        var own = StateDict();
        string[] filled =
        [
            .. state
                .Where(entry => !given.Contains(entry.Key) && ReferenceEquals(own.GetValueOrDefault(entry.Key), entry.Value))
                .Select(entry => entry.Key),
        ];
        var notes = NotesOn(given);
        return filled.Length == 0
            ? notes
            :
            [
                .. notes,
                $"the weights lack {filled[0]}{(filled.Length == 1 ? "" : $" and {filled.Length - 1} more")}, which the model begins anew",
            ];
    }

    // What AdaptStateDict has made of the rest although it was not there, a sentence each.
    private protected virtual IReadOnlyList<string> NotesOn(IReadOnlySet<string> given) => [];

    /// <summary>
    /// Whether a parameter outside of the blocks works on their result although it is declared before them; those declared
    /// after the blocks need no mention. Layer-wise decay goes by it.
    /// </summary>
    public virtual bool BelongsToHead(string name) => ClassifierNames.Contains(name);
}
