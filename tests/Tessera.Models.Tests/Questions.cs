using Tessera.Checkpoints;
using Tessera.Models;
using Tessera.Models.Layers;
using Tessera.Optim;
using Tessera.Testing;

namespace Tessera.Tests.Models;

/// <summary>All that a reduced model has to be able to do, on any device.</summary>
internal static class Questions
{
    /// <summary>Trains it in float32 and bfloat16, then asks every question of the base class.</summary>
    /// <param name="name">Of a reduced model.</param>
    /// <param name="device">Where it lies.</param>
    public static void Ask(string name, Device device)
    {
        using var scope = Torch.Scope();
        Torch.Seed(1);
        var model = Reduced.Create(name);
        model.To(device);
        var input = Input(model, device);
        Trains(model, input, Reduced.IsDense(name));
        model.Eval();
        Predicts(model, input);
        RefusesWhatItCannotTake(model, device);
        Describes(model, input);
        Explains(model, input);
        SavesAndLoads(name, model, input);
        ChangesItsClassifier(model, input);
        ChangesItsResolution(model, device);
    }

    // Words count from 2: 1 stands for padding.
    internal static Tensor Input(Backbone model, Device device) =>
        (model.TakesImages ? Torch.Randn([2, .. model.InputShape]) : Torch.Uniform([2, .. model.InputShape], 2, 50).To(DType.Int64)).To(
            device
        );

    private static void Trains(Backbone model, Tensor input, bool dense)
    {
        model.Train();
        var optimizer = new AdamW(ParameterGroup.Split(model, 0.05, model.NoWeightDecay), 1e-3);
        foreach (var mixed in new[] { false, true })
        {
            var before = model.NamedParameters().Select(p => p.Parameter.Detach().Clone()).ToArray();
            Tensor loss;
            using (mixed ? Torch.Autocast(device: input.Device.Type) : null)
                loss = model
                    .Run(new(input))
                    .Tensors.Select(output => (output.To(DType.Float32) - 1).Square().Mean())
                    .Aggregate((a, b) => a + b);
            loss.Backward();
            Assert.True(double.IsFinite(loss.ToDouble()), "the loss is no number");
            // Norms of earlier stages of dense forms serve the pyramid alone; HAT-Net declares norms that it never applies.
            foreach (
                var (name, parameter) in model
                    .NamedParameters()
                    .Where(p => p.Parameter.RequiresGrad && !dense && !p.Name.Contains("proj_norm", StringComparison.Ordinal))
            )
                Assert.True(parameter.Grad is { } gradient && gradient.Isfinite().All().ToDouble() == 1, $"no finite gradient for {name}");
            optimizer.Step();
            optimizer.ZeroGrad();
            Assert.All(model.NamedParameters().Zip(before), p =>
            {
                if (p.First.Parameter.RequiresGrad)
                    Assert.Equal(1, p.First.Parameter.Isfinite().All().ToDouble());
                else
                    Assert.True(p.First.Parameter.Equal(p.Second), $"{p.First.Name} is not learned");
            });
            Assert.Contains(model.NamedParameters().Zip(before), p => !p.First.Parameter.Equal(p.Second));
        }
    }

    private static void Predicts(Backbone model, Tensor input)
    {
        var logits = model.Call(input);
        Assert.Equal(new Shape(2, Reduced.Classes), logits.Shape);
        var pooled = model.ForwardHead(model.ForwardFeatures(input), preLogits: true);
        Assert.Equal(model.NumFeatures, pooled.Size(-1));
        // SReT draws its permutations anew.
        var features = model.ForwardFeatures(input);
        if (model is not Sret)
            Near.Equal(logits, model.ForwardHead(features), 1e-4);
        // What a dense head adds to the classifier's answer is no part of it.
        var head = model.ForwardClassifier(pooled);
        if (model is not (LvVit or DynamicVit { Options.DenseHead: true } or Sret))
            Near.Equal(logits, head, 1e-4);
        Assert.Equal(logits.Shape, head.Shape);
    }

    private static void RefusesWhatItCannotTake(Backbone model, Device device)
    {
        var right = $"[B, {string.Join(", ", model.InputShape)}]";
        var (channels, height, width) = (model.Channels, model.ImageSize.Height, model.ImageSize.Width);
        Tensor[] wrong = model.TakesImages
            ?
            [
                Torch.Zeros([1, channels + 1, height, width], device: device),
                Torch.Zeros([1, 1, height, width], device: device),
                Torch.Zeros([channels, height, width], device: device),
                Torch.Zeros([2, 10], device: device),
                Torch.Zeros([1, channels, 1, height, width], device: device),
                Torch.Zeros([1, channels, 0, width], device: device),
                Torch.Zeros([1, channels, height, width], DType.UInt8, device: device),
                Torch.Zeros([1, channels, height, width], DType.Int64, device: device),
            ]
            :
            [
                Torch.Zeros([1, height], device: device),
                Torch.Zeros([height], DType.Int64, device: device),
                Torch.Zeros([1, 0], DType.Int64, device: device),
                Torch.Zeros([1, 3, height, height], device: device),
            ];
        foreach (var (_, ask) in Ways(model))
        foreach (var given in wrong)
            IsRefusal(Assert.Throws<ShapeException>(() => ask(given)), given);

        // Sizes that no layer was made for: an answer that is a number, or the same sentence.
        (long, long)[] sizes = model.TakesImages ? [(1, 1), (2, 3), (height + 1, width + 3)] : [(1, 0), (2, 0), (height + 1, 0)];
        foreach (var (rows, columns) in sizes)
        {
            var given = model.TakesImages
                ? Torch.Ones([1, channels, rows, columns], device: device)
                : Torch.Full([1, rows], 2, DType.Int64, device: device);
            foreach (var (name, ask) in Ways(model))
                try
                {
                    var answer = ask(given);
                    if (name is "logits" or "outputs")
                    {
                        Assert.Equal(new Shape(1, Reduced.Classes), answer!.Shape);
                        Assert.True(answer.Isfinite().All().ToDouble() == 1, $"{name} of {given.Shape} are no numbers");
                    }
                }
                catch (ShapeException refusal)
                {
                    IsRefusal(refusal, given);
                }
        }

        void IsRefusal(ShapeException refusal, Tensor given)
        {
            Assert.StartsWith($"{model.GetType().Name} takes ", refusal.Message, StringComparison.Ordinal);
            Assert.Contains(right, refusal.Message, StringComparison.Ordinal);
            Assert.Contains(given.Shape.ToString(), refusal.Message, StringComparison.Ordinal);
            Assert.DoesNotContain("\n", refusal.Message, StringComparison.Ordinal);
        }
    }

    private static IEnumerable<(string Name, Func<Tensor, Tensor?> Ask)> Ways(Backbone model)
    {
        return
        [
            ("logits", model.Call),
            ("outputs", x => model.Run(new(x)).Logits),
            ("features", model.ForwardFeatures),
            ("blocks", x => model.ForwardIntermediates(x)[0]),
            ("maps", x => model.ForwardFeatureMaps(x)[0].Map),
            ("attention", x => model.AttentionMaps(x).Values.FirstOrDefault()),
            .. model.TakesImages ? [("insights", Explained)] : Array.Empty<(string, Func<Tensor, Tensor?>)>(),
        ];

        Tensor? Explained(Tensor image)
        {
            model.Explain(image);
            return null;
        }
    }

    private static void Describes(Backbone model, Tensor input)
    {
        var blocks = model.ForwardIntermediates(input);
        Assert.Equal(model.BlockPaths.Count, blocks.Count);
        foreach (var (whole, patches, path) in blocks.Zip(model.ForwardIntermediates(input, prefixTokens: false), model.BlockPaths))
            if (whole.Dim == 3)
                Assert.Equal(whole.Size(1) - model.NumPrefixTokensAt(path), patches.Size(1));

        var maps = model.ForwardFeatureMaps(input);
        Assert.NotEmpty(maps);
        Assert.Equal(maps.Select(map => map.Stride).Order(), maps.Select(map => map.Stride));
        // Windows of a text's convolutions reach over its ends, PiT's patches stay within theirs.
        foreach (var (map, stride) in maps.Where(_ => model is not (TextCct or Pit)))
            Assert.Equal(
                (model.ImageSize.Height / stride, Math.Max(1, model.ImageSize.Width / stride)),
                ((int)map.Size(2), (int)map.Size(3))
            );

        var attention = model.AttentionMaps(input);
        Assert.Equal(Attends(model), attention.Count > 0);
        foreach (var weights in attention.Values)
            Assert.True(weights.Sum(-1).Sub(1).Abs().Max().ToDouble() < 1e-5, "weights of attention do not sum to 1");
    }

    private static bool Attends(Backbone model) =>
        model
            is not (
                ResNet
                or CifarResNet
                or RegNet
                or EfficientNet
                or PnasNet
                or NfNet
                or RevCol
                or Mixer
                or GMlp
                or ResMlp
                or Vip
                or CycleMlp
                or HireMlp
                or S2Mlp
                or AsMlp
                or AgentCnn
                or GuideResNet
                or InternImage { Options.ClipProjector: false }
            );

    private static void Explains(Backbone model, Tensor input)
    {
        if (!model.TakesImages)
            return;
        var insights = model.Explain(input.Slice(0, 0, 1));
        Assert.NotEmpty(insights);
        Assert.Equal(insights.Count, insights.Select(i => i.Name).Distinct().Count());
        foreach (var insight in insights)
        {
            Assert.Equal(insight.Height * insight.Width, insight.Values.Length);
            Assert.All(insight.Values, value => Assert.True(double.IsFinite(value)));
            Assert.True(insight.Values.Length + insight.Places.Count > 0, $"{insight.Name} shows nothing");
        }
    }

    private static void SavesAndLoads(string name, Backbone model, Tensor input)
    {
        using var folder = new TempFolder();
        var state = model.StateDict();
        Assert.All(model.ClassifierNames, classifier => Assert.Contains(classifier, state.Keys));
        Checkpoint.SaveSafetensors(folder["model.safetensors"], state.ToCheckpoint());
        var other = Reduced.Create(name);
        other.Load(folder["model.safetensors"]);
        other.To(input.Device);
        other.Eval();
        Near.Identical(Logits(model, input), Logits(other, input));
    }

    // SReT draws its permutations.
    private static Tensor Logits(Backbone model, Tensor input)
    {
        Torch.Seed(2);
        return model.Call(input);
    }

    private static void ChangesItsClassifier(Backbone model, Tensor input)
    {
        model.ResetClassifier(Reduced.Classes + 1);
        Assert.Equal((Reduced.Classes + 1, new Shape(2, Reduced.Classes + 1)), (model.Classes, model.Call(input).Shape));
        model.ResetClassifier(0);
        Assert.Equal(model.NumFeatures, model.Call(input).Size(-1));
        Assert.DoesNotContain(model.ClassifierNames, model.StateDict().Keys.Contains);
        model.ResetClassifier(Reduced.Classes);
    }

    private static void ChangesItsResolution(Backbone model, Device device)
    {
        var (height, width) = (model.ImageSize.Height, model.ImageSize.Width);
        var grid = model.ForwardFeatureMaps(Input(model, device))[^1].Map;
        model.Resize(2 * height, width == 1 ? 1 : 2 * width);
        Assert.Equal(2 * height, model.ImageSize.Height);
        Assert.Equal(new Shape(2, Reduced.Classes), model.Call(Input(model, device)).Shape);
        // A stem that the size chooses may halve a larger image once more.
        if (model is not (TextCct or ResNet { Options.StemBySize: true }))
            Assert.Equal(2 * grid.Size(2), model.ForwardFeatureMaps(Input(model, device))[^1].Map.Size(2));
        // A size that cannot be is refused by name, and the model stays what it was.
        try
        {
            model.Resize(2 * height + 1, width == 1 ? 1 : 2 * width);
        }
        catch (ShapeException refusal)
        {
            Assert.Contains($"{2 * height + 1}", refusal.Message, StringComparison.Ordinal);
            Assert.Equal(2 * height, model.ImageSize.Height);
        }
        Assert.Equal(new Shape(2, Reduced.Classes), model.Call(Input(model, device)).Shape);
    }
}
