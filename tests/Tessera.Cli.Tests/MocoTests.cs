using Tessera.Checkpoints;
using Tessera.Models;

namespace Tessera.Cli.Tests;

/// <summary>Momentum contrast from the recipe to a fine-tuned model, and checkpoints of its authors.</summary>
public sealed class MocoTests : IDisposable
{
    private readonly Workplace place = new();

    public void Dispose() => place.Dispose();

    private string Pretraining() =>
        place.Write(
            "moco.yaml",
            $$"""
            model: { name: resnet18_quarter_small }
            data: { name: fashion_mnist, root: {{place.Data}}, batch: 32, limit: 64 }
            augment: { views: [ [ shift: 1, flip ], [ shift: 1, flip ] ] }
            objective: { name: moco, queue: 128, dim: 16, bn_splits: 4 }
            optimizer: { name: sgd, lr: 0.03 }
            schedule: { name: cosine, epochs: 2 }
            train: { threads: 1, log_every: 1 }
            """
        );

    private string Tuning(string weights) =>
        place.Write(
            "tune.yaml",
            $$"""
            model: { name: resnet18_quarter_small, weights: {{weights}} }
            data: { name: fashion_mnist, root: {{place.Data}}, batch: 32, limit: 64 }
            augment: []
            objective: supervised
            optimizer: { name: sgd, lr: 0.03 }
            schedule: { name: cosine, epochs: 1 }
            train: { threads: 1 }
            """
        );

    private string Log(string run) => File.ReadAllText(Path.Combine(place.Folder, run, "log.jsonl"));

    [Fact]
    public void A_run_says_its_numbers_resumes_and_is_fine_tuned()
    {
        var recipe = Pretraining();
        place.Run("train", recipe, "--out", "first").Succeeded();
        var log = Log("first");
        foreach (
            var said in (string[])
                [
                    " 128) = 4.86",
                    "128 keys are those of 2.0 epochs of 64 samples",
                    "the stem is a 3 x 3 convolution of stride 1 alone",
                    "\"real_keys\":0.75",
                    "\"contrast_top1\"",
                    "\"knn_top1\"",
                ]
        )
            Assert.Contains(said, log, StringComparison.Ordinal);
        Assert.Contains(
            "100 is none of 32 (32 samples): the nearest are 96 and 128",
            place.Run("train", recipe, "--out", "other", "--set", "objective.queue=100").UserError(),
            StringComparison.Ordinal
        );
        Assert.Contains(
            "5 does not divide 32",
            place.Run("train", recipe, "--out", "other", "--set", "objective.bn_splits=5").UserError(),
            StringComparison.Ordinal
        );
        Assert.Contains(
            "2 views",
            place.Run("train", recipe, "--out", "other", "--set", "augment=[flip]").UserError(),
            StringComparison.Ordinal
        );
        place.Run("train", Tuning("first"), "--out", "second").Succeeded();
        Assert.Contains("122 of 122 tensors loaded", Log("second"), StringComparison.Ordinal);
    }

    private string WriteCheckpoint(bool whole)
    {
        using var scope = new Scope();
        var options = new ModelOptions
        {
            Classes = 0,
            Channels = 1,
            ImageSize = (12, 12),
        };
        var state = new OrderedDictionary<string, Tensor>();
        foreach (var encoder in (string[])["encoder_q", "encoder_k"])
        {
            foreach (var (name, tensor) in Registry.Create("resnet18_quarter_small", options).StateDict())
                if (whole || name != "layer4.1.conv2.weight")
                    state.Add($"module.{encoder}.{name}", tensor);
            state.Add($"module.{encoder}.fc.0.weight", Torch.Ones([128, 128]));
            state.Add($"module.{encoder}.fc.2.weight", Torch.Ones([10, 128]));
        }
        state.Add("module.queue", Torch.Ones([10, 8]));
        state.Add("module.queue_ptr", Torch.Zeros([1], DType.Int64));
        var path = Path.Combine(place.Folder, "moco.pth");
        Checkpoint.SaveTorch(path, state.ToCheckpoint());
        return path;
    }

    [Fact]
    public void A_checkpoint_of_the_authors_is_fine_tuned_and_one_that_lacks_a_tensor_is_refused_unless_told_otherwise()
    {
        WriteCheckpoint(whole: true);
        place.Run("train", Tuning("moco.pth"), "--out", "tuned").Succeeded();
        var log = Log("tuned");
        Assert.Contains("120 of 122 tensors loaded", log, StringComparison.Ordinal);
        Assert.Contains("the encoder of a training without labels was taken", log, StringComparison.Ordinal);
        Assert.Contains("the classifier starts fresh", log, StringComparison.Ordinal);

        WriteCheckpoint(whole: false);
        var refused = place.Run("train", Tuning("moco.pth"), "--out", "other").UserError();
        foreach (var said in (string[])["missing: layer4.1.conv2.weight", "119 of 122 tensors are there", "partial: true"])
            Assert.Contains(said, refused, StringComparison.Ordinal);
        place.Run("train", Tuning("{ file: moco.pth, partial: true }"), "--out", "partly").Succeeded();
        Assert.Contains("119 of 122 tensors loaded", Log("partly"), StringComparison.Ordinal);
        Assert.Contains("as they were initialised: layer4.1.conv2.weight", Log("partly"), StringComparison.Ordinal);
    }
}
