using PluginServer.Supervision;

namespace PluginServer.Tests.Administration;

/// <summary>The verbs pause and resume, and what all verbs do with a name that nobody has.</summary>
[Platform(Exclude = "Win")]
internal sealed class SwitchVerbTests
{
    [TestCase("pause", "endpoint echo is paused")]
    [TestCase("resume", "endpoint echo is listening")]
    public async Task What_the_endpoint_does_now_is_said(string verb, string expected)
    {
        await using var face = await AdminFace.StartAsync();
        Assert.That(await face.VerbAsync(verb, "echo"), Is.EqualTo((0, $"{expected}{Environment.NewLine}", "")));
        Assert.That(face.Asked, Is.EqualTo([$"{verb} echo"]));
    }

    [TestCase("pause", "/api/endpoints/echo/pause")]
    [TestCase("resume", "/api/endpoints/echo/resume")]
    [TestCase("drain", "/api/endpoints/echo/drain")]
    [TestCase("rollback", "/api/plugins/echo/rollback")]
    public async Task As_JSON_it_is_what_the_API_answers(string verb, string call)
    {
        await using var face = await AdminFace.StartAsync();
        var answered = await face.SendAsync(HttpMethod.Post, call, $"Bearer {face.Token}");
        Assert.That(await face.VerbAsync(verb, "echo", "--json"), Is.EqualTo((0, answered.Body, "")));
    }

    [TestCase("pause")]
    [TestCase("resume")]
    [TestCase("drain")]
    public async Task A_name_that_no_endpoint_has_exits_1_with_those_that_there_are(string verb)
    {
        await using var face = await AdminFace.StartAsync();
        face.Status = Sample.Status with { Endpoints = [Sample.Status.Endpoints[0], Sample.Status.Endpoints[0] with { Name = "Echo:7000" }] };
        Assert.That(await face.VerbAsync(verb, "eco"), Is.EqualTo((1, "", $"there is no endpoint eco; there is echo, Echo:7000{Environment.NewLine}")));
        var answered = await face.SendAsync(HttpMethod.Post, $"/api/endpoints/eco/{verb}", $"Bearer {face.Token}");
        Assert.That(answered.Status, Is.EqualTo(404));
        Assert.That(await face.VerbAsync(verb, "eco", "--json"), Is.EqualTo((1, answered.Body, "")));
    }

    [TestCase("reload", "/api/reload")]
    [TestCase("rollback", "/api/plugins/Echo/rollback")]
    public async Task A_rejection_as_JSON_is_what_the_API_answers_and_exits_1(string verb, string call)
    {
        await using var face = await AdminFace.StartAsync();
        face.Outcome = new ReloadOutcome(false, 3, [], [new("plugins.json", 4, 9, "endpoints[0].port", "no")]);
        var answered = await face.SendAsync(HttpMethod.Post, call, $"Bearer {face.Token}");
        Assert.That(answered.Status, Is.EqualTo(409));
        string[] arguments = verb == "reload" ? [verb, "--json"] : [verb, "Echo", "--json"];
        Assert.That(await face.VerbAsync(arguments), Is.EqualTo((1, answered.Body, "")));
        face.Outcome = new ReloadOutcome(true, 4, ["one"], []);
        answered = await face.SendAsync(HttpMethod.Post, call, $"Bearer {face.Token}");
        Assert.That(await face.VerbAsync(arguments), Is.EqualTo((0, answered.Body, "")));
    }

    [TestCase("pause")]
    [TestCase("resume")]
    [TestCase("drain")]
    [TestCase("rollback")]
    public async Task Without_a_name_it_is_a_usage_error(string verb)
    {
        await using var face = await AdminFace.StartAsync();
        var (exitCode, output, error) = await face.VerbAsync(verb);
        Assert.That((exitCode, output), Is.EqualTo((2, "")));
        Assert.That(error, Does.Contain($"plugin-server {verb} <").Or.Contain($" {verb} <"));
        Assert.That(face.Asked, Is.Empty);
    }
}
