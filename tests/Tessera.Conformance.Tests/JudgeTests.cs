using System.Text.Json.Nodes;

namespace Tessera.Conformance.Tests;

public sealed class JudgeTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("tessera-conformance").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private static string Goldens
    {
        get
        {
            for (var at = new DirectoryInfo(AppContext.BaseDirectory); at is not null; at = at.Parent)
                if (File.Exists(Path.Combine(at.FullName, "Tessera.slnx")))
                    return Path.Combine(at.FullName, "tests", "goldens");
            throw new DirectoryNotFoundException("no folder above the tests holds Tessera.slnx");
        }
    }

    // The verdict on a golden file in which something was changed.
    private Verdict Judged(string golden, Action<JsonNode> change)
    {
        var root = JsonNode.Parse(File.ReadAllText(Path.Combine(Goldens, golden)))!;
        change(root);
        var path = Path.Combine(folder, "changed.json");
        File.WriteAllText(path, root.ToJsonString());
        return new Judge(Device.Cpu).Of(GoldenFile.Read(path)!);
    }

    private void Fails(string golden, string message, Action<JsonNode> change)
    {
        var verdict = Judged(golden, change);
        Assert.False(verdict.Passed, $"{golden} passes although it was changed");
        Assert.Contains(verdict.Lines, line => line.Contains(message, StringComparison.Ordinal));
    }

    private const string Loss = "vt/advanced_loss.json",
        Network = "mae/finetune_cls_custom.json",
        IllConditioned = "vt/vt_fpn_tiny.json";

    [Theory]
    [InlineData(Loss)]
    [InlineData(Network)]
    public void A_file_passes_as_it_is(string golden)
    {
        var verdict = Judged(golden, _ => { });
        Assert.True(verdict.Passed, string.Join('\n', verdict.Lines));
        Assert.False(verdict.Excused);
    }

    [Fact]
    public void A_field_of_the_configuration_that_the_case_never_reads_makes_the_file_fail() =>
        Fails(Loss, "fields that the case never uses: config.warmth", root => root["config"]!["warmth"] = 3);

    [Fact]
    public void A_null_that_the_case_never_reads_makes_the_file_fail() =>
        Fails(Network, "fields that the case never uses: config.warmth", root => root["config"]!["warmth"] = null);

    [Fact]
    public void A_field_beside_the_common_ones_that_the_case_never_reads_makes_the_file_fail() =>
        Fails(Loss, "fields that the case never uses: warmth", root => root["warmth"] = 3);

    [Fact]
    public void An_input_that_the_case_never_asks_for_makes_the_file_fail() =>
        Fails(Loss, "inputs that the case never uses: spare", root => root["inputs"]!["spare"] = root["inputs"]!["student"]!.DeepClone());

    [Fact]
    public void Parameters_that_the_case_never_loads_make_the_file_fail() =>
        Fails(Loss, "parameters that the case never uses: head.weight", root => root["parameters"] = new JsonArray(
                new JsonObject
                {
                    ["name"] = "head.weight",
                    ["shape"] = new JsonArray(2, 2),
                    ["offset"] = 0,
                    ["scale"] = 1,
                }
            ));

    [Fact]
    public void A_value_that_only_restates_what_the_case_does_is_checked() =>
        Fails(Loss, "'config.kind' is \"plain_loss\", \"advanced_loss\" was expected", root => root["config"]!["kind"] = "plain_loss");

    [Fact]
    public void A_size_that_only_restates_the_shape_of_an_input_is_checked() =>
        Fails(Loss, "'config.num_classes' is 11, 10 was expected", root => root["config"]!["num_classes"] = 11);

    [Fact]
    public void A_value_that_is_computed_by_changes_the_result() =>
        Fails(Loss, "times what is allowed", root => root["config"]!["label_smoothing"] = 0.2);

    [Fact]
    public void A_wrong_output_makes_the_file_fail() => Fails(Network, "out.pred", root => Shift(root["outputs"]!["out.pred"]!));

    [Fact]
    public void A_wrong_gradient_makes_the_file_fail() =>
        Fails(Loss, "gradient of student", root =>
            root["gradients"]!["student"]!["l2"] = root["gradients"]!["student"]!["l2"]!.GetValue<double>() * 1.01
        );

    [Fact]
    public void Another_order_of_parameters_makes_the_file_fail() => Fails(Network, "state dict differs at entry", root =>
        {
            var parameters = root["parameters"]!.AsArray();
            var first = parameters[0]!;
            parameters.RemoveAt(0);
            parameters.Add(first);
        });

    [Fact]
    public void Rounding_excuses_a_file_in_float32_but_never_a_wrong_value()
    {
        var verdict = Judged(IllConditioned, _ => { });
        Assert.True(verdict is { Passed: true, Excused: true }, string.Join('\n', verdict.Lines));
        var wrong = Judged(IllConditioned, root => Shift(root["outputs"]!["out.logits"]!));
        Assert.True(wrong is { Passed: false, Excused: false }, string.Join('\n', wrong.Lines));
    }

    // A thousandth of the largest value: ten times what float32 allows.
    private static void Shift(JsonNode record)
    {
        var values = record["values"]!.AsArray();
        var largest = values.Max(value => Math.Abs(value!.GetValue<double>()));
        values[0] = values[0]!.GetValue<double>() + 1e-3 * Math.Max(1, largest);
    }
}
