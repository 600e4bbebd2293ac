using System.ComponentModel.DataAnnotations;
using Tessera.Data;
using Tessera.Distributed;
using Tessera.Training.Losses;

namespace Tessera.Training.Objectives.SelfSupervision;

/// <summary>
/// Un-Mix: the first view is mixed with the reversed batch, and the second view has to find both parents of a mixture by their shares
/// (Shen et al., 2020, arXiv:2003.05438).
/// </summary>
/// <param name="Probability">How often a step mixes whole images, from 0 to 1 (0.5); the other steps paste a region.</param>
/// <param name="Alpha">Of the beta distribution that the share is drawn from, from 0.001 to 1000; 1 (the default) is uniform.</param>
/// <param name="From">Epoch that mixing begins with, from 0 (the default).</param>
/// <param name="Until">Epoch from which on nothing is mixed; never by default.</param>
public sealed record UnMixOptions(
    [Range(0, 1)] double Probability = 0.5,
    [Range(0.001, 1000)] double Alpha = 1,
    [Range(0, 1_000_000)] int From = 0,
    [Range(1, 1_000_000)] int? Until = null
)
{
    /// <summary>Epoch from which on nothing is mixed.</summary>
    public int? Until { get; init; } =
        Until is null || Until > From ? Until : throw new ArgumentException($"unmix: until is {Until}, it must be above from, {From}");

    /// <summary>Whether an epoch mixes.</summary>
    /// <param name="epoch">From 0.</param>
    public bool IsOn(int epoch) => epoch >= From && !(epoch >= Until);

    /// <summary>Draws how a batch is mixed.</summary>
    /// <param name="height">Of the images.</param>
    /// <param name="width">Of the images.</param>
    /// <param name="random">Draws.</param>
    public Mix Draw(int height, int width, ref SampleRandom random)
    {
        var whole = random.Chance(Probability);
        var share = random.Beta(Alpha, Alpha);
        return whole ? new Mix(share) : Mix.Cut(share, random.Below(height), random.Below(width), height, width);
    }
}

/// <summary>Mixes the first view of each step, where a recipe says so.</summary>
/// <param name="options">Null mixes nothing.</param>
/// <param name="group">The processes, which all take the mixture that the first one draws; null for one.</param>
internal sealed class UnMix(UnMixOptions? options, ProcessGroup? group)
{
    /// <summary>The mixture of a step; null where nothing is mixed.</summary>
    /// <param name="images">
    /// The first view, [N, C, H, W]. Of several processes each reverses its share, which holds both samples of a pair: that is the whole
    /// batch reversed.
    /// </param>
    /// <param name="progress">Where training stands.</param>
    internal Mixture? Of(Tensor images, Progress progress)
    {
        if (options?.IsOn(progress.Epoch) != true)
            return null;
        var random = new SampleRandom(Seed(), progress.Epoch, progress.Step);
        var mix = options.Draw((int)images.Size(2), (int)images.Size(3), ref random);
        return new(UnMixed.Images(images, mix), mix.Share);
    }

    /// <summary>The three losses for the log, before they are weighted, and the share; nothing for a step without mixture.</summary>
    internal static IReadOnlyDictionary<string, Tensor> Parts(UnMixed? found) =>
        found is null
            ? new Dictionary<string, Tensor>()
            : new Dictionary<string, Tensor>
            {
                ["original"] = found.Original.Detach(),
                ["mixed"] = found.Mixed.Detach(),
                ["flipped"] = found.Flipped.Detach(),
                ["mixture_share"] = Tensor.Of(found.Share),
            };

    // From the engine's generator, whose state a checkpoint holds.
    private ulong Seed()
    {
        using var scope = new Scope();
        var drawn = Torch.Randint(long.MaxValue, [1]);
        if (group is { Participation: not Participation.Alone })
            group.Broadcast(drawn);
        return (ulong)drawn.ToArray<long>()[0];
    }
}

/// <summary>The first view mixed with the reversed batch.</summary>
/// <param name="Images">[N, C, H, W].</param>
/// <param name="Share">Lambda, the share of an image's own values.</param>
internal sealed record Mixture(Tensor Images, double Share);
