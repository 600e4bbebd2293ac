using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Tessera.Cli.Inputs;
using Tessera.Cli.Shell;
using Tessera.Data;
using Tessera.Data.Images;
using Tessera.Data.Loading;
using Tessera.Data.Transforms;
using Tessera.Models;
using Tessera.Retrieval;
using Tessera.Training.Bundles;
using Tessera.Training.Objectives.Retrieval;
using Tessera.Training.Probes;
using Tessera.Training.Tasks;
using RecipeJson = Tessera.Training.Recipes.RecipeJson;

namespace Tessera.Cli.Search;

/// <summary>Descriptors of pictures that were described together.</summary>
/// <param name="Places">Their places in the list of files.</param>
/// <param name="Vectors">[pictures x width], of length 1 each.</param>
internal sealed record DescribedPictures(IReadOnlyList<int> Places, float[] Vectors);

/// <summary>A model and the way in which it describes pictures: what all descriptors of an index have in common.</summary>
internal sealed class IndexModel
{
    private const int HashShown = 12;

    private readonly ModelChoice choice;
    private readonly Device device;
    private readonly Descriptor descriptor;
    private readonly Pipeline pipeline;
    private readonly string preparation;

    private IndexModel(ModelChoice choice, ModelBundle bundle, Descriptor descriptor, Device device)
    {
        (this.choice, Bundle, this.descriptor, this.device) = (choice, bundle, descriptor, device);
        if (!bundle.Backbone.TakesImages)
            throw new UserException($"{bundle.Source}: {bundle.Content.Model.Title} takes texts, and an index is of pictures");
        if (descriptor.Pooling == DescriptorPooling.Cls && !bundle.Backbone.HasClassToken)
            throw new UserException($"--pool cls needs a model with a class token, and {Title} has none; there are avg, max and gem");
        var own = descriptor.Pooling == DescriptorPooling.Auto ? bundle.Task.Descriptor : null;
        Describer = own ?? descriptor.Of;
        Width = DescriptorWidth.Of(bundle.Backbone, Describer);
        var pooled = own is null ? Pooled : $"{Pooled}, as {RecipeJson.Write(bundle.Task)!.ToJsonString()}";
        pipeline = bundle.PipelineFor(bundle.Facts.OfAnySize());
        var prepared = Preparation.Of(pipeline);
        preparation = $"{pooled}; {prepared}";
        Hash = WeightsHash.OfFeatures(bundle.Model);
        PreparationHash = Convert.ToHexStringLower(
            SHA256.HashData(
                Encoding.UTF8.GetBytes(
                    JsonSerializer.Serialize(
                        new
                        {
                            pooled,
                            Facts.Channels,
                            prepared,
                        }
                    )
                )
            )
        );
    }

    /// <summary>The model.</summary>
    internal ModelBundle Bundle { get; }

    /// <summary>Gives the descriptors of prepared pictures.</summary>
    internal Func<Backbone, Tensor, Tensor> Describer { get; }

    /// <summary>SHA-256 of the weights that descriptors depend on.</summary>
    internal string Hash { get; }

    /// <summary>SHA-256 of how pictures are prepared and described.</summary>
    internal string PreparationHash { get; }

    /// <summary>What people call it.</summary>
    internal string Title => $"{Bundle.Content.Model.Title} of {choice.Checkpoint ?? choice.Name}";

    /// <summary>Numbers of a descriptor.</summary>
    internal int Width { get; }

    private ImageFacts Facts => (ImageFacts)Bundle.Facts;

    private string Pooled =>
        RecipeValue.Of(descriptor.Pooling)
        + (descriptor.Pooling == DescriptorPooling.Gem ? string.Create(CultureInfo.InvariantCulture, $" {descriptor.GemPower}") : "");

    /// <summary>Opens a model.</summary>
    internal static IndexModel Open(ModelChoice choice, Descriptor descriptor, Device device)
    {
        var whole = choice.Whole();
        var bundle = whole.Open(device, (_, own) => own, (variant, weights, _, on) => ModelBundle.ForFeatures(variant, weights, on));
        return new(whole, bundle, descriptor, device);
    }

    /// <summary>Opens the model that an index was made with, or another that has to be the same.</summary>
    /// <param name="header">Of the index.</param>
    /// <param name="index">Its file, for messages.</param>
    /// <param name="other">The model that a user names; null for the one that the index names.</param>
    /// <param name="device">Where it shall compute.</param>
    /// <exception cref="UserException">The model is gone, or another one.</exception>
    internal static IndexModel Of(IndexHeader header, string index, ModelChoice? other, Device device)
    {
        var named = IndexNotes.Model(header.Notes);
        if (other is null && named is null)
            throw new UserException($"{index} does not say which model made it: name the model by --model");
        if (other is null && named is { Checkpoint: null } && !Directory.Exists(named.Name))
            throw new UserException(
                $"{index} was made with {header.Model}, which is no longer there: name the folder that it has now by --model"
            );
        var model = Open((other ?? named)!, IndexNotes.Descriptor(header.Notes), device);
        model.Check(header, index);
        return model;
    }

    /// <summary>What a new index of this model says of itself.</summary>
    internal IndexHeader Header(VectorProjection? projection, int fittedOn) =>
        new(projection is null ? Width : projection.Rows.Length / Width, Title, Hash, PreparationHash)
        {
            Projection = projection,
            Notes = IndexNotes.Of(choice, descriptor, preparation, projection is null ? null : fittedOn),
        };

    /// <summary>Makes sure that descriptors of this model belong into an index.</summary>
    /// <exception cref="UserException">The index was made with another model, or of pictures that were prepared in another way.</exception>
    internal void Check(IndexHeader header, string index)
    {
        if (header.ModelHash != Hash)
            throw new UserException(
                $"{index} was made with {header.Model} (weights {header.ModelHash[..HashShown]}), and {Title} has other weights "
                    + $"({Hash[..HashShown]}): use the first, or build another index with the second"
            );
        if (header.PreprocessingHash != PreparationHash)
            throw new UserException(
                $"{index} has descriptors by '{IndexNotes.Preparation(header.Notes)}' (preparation "
                    + $"{header.PreprocessingHash[..HashShown]}), and these would be by '{preparation}' ({PreparationHash[..HashShown]}): "
                    + "describe pictures in the first way, or build another index"
            );
    }

    /// <summary>Describes pictures, a batch at a time in the order of the list.</summary>
    /// <param name="files">The pictures.</param>
    /// <param name="projection">The reduction of an index; null for whole descriptors.</param>
    /// <param name="batch">Pictures at a time.</param>
    /// <param name="take">Receives each batch, and how many could not be read so far.</param>
    /// <param name="stop">Gives up.</param>
    /// <returns>The pictures that could not be read, which were left out.</returns>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    internal IReadOnlyList<UnreadableImage> Describe(
        IReadOnlyList<string> files,
        VectorProjection? projection,
        int batch,
        Action<DescribedPictures, int> take,
        CancellationToken stop
    )
    {
        if (files.Count == 0)
            return [];
        var images = new FileImages("pictures", "given", files, new Unlabelled(files.Count), Facts.Normalization, Facts.Channels);
        var loader = new Loader(images, pipeline, new(batch) { UnreadableLimit = 1, Replacement = Replacement.None });
        using var outer = new Scope();
        using var outside = Torch.NoGrad();
        var reduction = projection is null ? null : Components(projection);
        using var batches = loader.Epoch(0, stop: stop).GetEnumerator();
        while (true)
        {
            using var scope = new Scope();
            if (!batches.MoveNext())
                return loader.Unreadable;
            var vectors = Describer(Bundle.Backbone, batches.Current.Inputs.To(device)).To(DType.Float32).To(Device.Cpu);
            if (reduction is not null)
                vectors = reduction.Project(vectors);
            take(new([.. batches.Current.Indices], vectors.ToArray<float>()), loader.Unreadable.Count);
        }
    }

    /// <summary>The reduction that an index keeps.</summary>
    internal static PrincipalComponents Components(VectorProjection kept) =>
        new(Array.ConvertAll(kept.Mean.ToArray(), value => (double)value), Array.ConvertAll(kept.Rows.ToArray(), value => (double)value));

    /// <summary>A picture as the model sees it, [1, C, H, W]; owned by the current scope.</summary>
    /// <exception cref="DataException">It cannot be read.</exception>
    internal Tensor Prepared(string file) => Bundle.Read([file]).Single().Read().Inputs.To(device);

    /// <summary>Mean and deviation of the prepared pictures.</summary>
    internal Normalization Normalization => Facts.Normalization;
}
